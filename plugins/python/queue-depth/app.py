"""Is a queue short enough? Asks a JSON API, such as {"queue": {"depth": 12}}."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import http
from wit_world.imports.types import (
    Capability,
    Context,
    Fact,
    Failure,
    Fault,
    Info,
    Level,
    Metric,
    Outcome,
    Status,
    Want,
)

SCHEMA = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "pattern": "^https?://", "description": "The queue's API."},
        "most": {"type": "integer", "minimum": 0, "description": "Most that may wait."},
    },
    "required": ["url", "most"],
    "additionalProperties": False,
}


def outcome(status, message, phases=(), failed=(), metrics=(), evidence=()):
    latency = sum(phase.microseconds for phase in phases) if phases else None
    return Outcome(status, message, latency, list(phases), list(failed), list(metrics), list(evidence))


def read(body):
    whole = b""
    while piece := body.read():
        whole += piece
    return whole


def check(config):
    answer = http.fetch(http.Request("GET", config["url"], [], b"", 10))
    if answer.status != 200:
        return outcome(Status.DOWN, f"status {answer.status}, expected 200", answer.phases)
    try:
        depth = json.loads(read(answer.body))["queue"]["depth"]
    except (ValueError, KeyError, TypeError) as error:
        message = f"the body isn't the expected JSON: {error}"
        return outcome(Status.DOWN, message, evidence=[Fact("error", "invalid_body")])
    measured = [Metric("queue_depth", float(depth), "", [])]
    most = config["most"]
    if depth <= most:
        return outcome(Status.UP, f"{depth} waiting", answer.phases, metrics=measured)
    failed = [Failure("depth", Level.DEGRADED, f"at most {most}", str(depth))]
    return outcome(Status.DEGRADED, f"{depth} waiting, more than {most}", answer.phases, failed, measured)


class Guest(exports.Guest):
    def describe(self) -> Info:
        wants = [Want(Capability.HTTP, "to ask the queue's API")]
        return Info("queue-depth", "0.1.0", "Is a queue short enough? Asks a JSON API.", json.dumps(SCHEMA), wants)

    def run(self, config: str, context: Context) -> Outcome:
        try:
            return check(json.loads(config))
        except Err as error:
            if not isinstance(error.value, Fault):
                raise
            fault = error.value
            return outcome(fault.status, fault.message, evidence=[Fact("error", fault.kind)])
