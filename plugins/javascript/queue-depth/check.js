// Is a queue short enough? Asks a JSON API, such as {"queue": {"depth": 12}}.

import { fetch } from "pingmon:check/http@1.0.0";

const schema = {
  type: "object",
  properties: {
    url: { type: "string", pattern: "^https?://", description: "The queue's API." },
    most: { type: "integer", minimum: 0, description: "Most that may wait." },
  },
  required: ["url", "most"],
  additionalProperties: false,
};

function outcome(status, message, { phases = [], failed = [], metrics = [], evidence = [] } = {}) {
  const latency = phases.length ? phases.reduce((sum, phase) => sum + phase.microseconds, 0n) : undefined;
  return { status, message, latency, phases, failed, metrics, evidence };
}

function text(body) {
  const decoder = new TextDecoder();
  let whole = "";
  for (let piece = body.read(); piece.length; piece = body.read()) {
    whole += decoder.decode(piece, { stream: true });
  }
  return whole + decoder.decode();
}

function check({ url, most }) {
  const answer = fetch({ method: "GET", url, headers: [], body: new Uint8Array(), redirects: 10 });
  const { phases } = answer;
  if (answer.status !== 200) {
    return outcome("down", `status ${answer.status}, expected 200`, { phases });
  }
  const whole = text(answer.body);
  let depth;
  try {
    depth = JSON.parse(whole).queue.depth;
    if (!Number.isSafeInteger(depth)) throw new TypeError("queue.depth isn't a whole number");
  } catch (error) {
    const evidence = [{ name: "error", value: "invalid_body" }];
    return outcome("down", `the body isn't the expected JSON: ${error.message}`, { evidence });
  }
  const metrics = [{ name: "queue_depth", value: depth, unit: "", labels: [] }];
  if (depth <= most) {
    return outcome("up", `${depth} waiting`, { phases, metrics });
  }
  const failed = [{ expectation: "depth", level: "degraded", expected: `at most ${most}`, actual: `${depth}` }];
  return outcome("degraded", `${depth} waiting, more than ${most}`, { phases, metrics, failed });
}

export const guest = {
  describe() {
    return {
      name: "queue-depth",
      version: "0.1.0",
      description: "Is a queue short enough? Asks a JSON API.",
      configSchema: JSON.stringify(schema),
      wants: [{ capability: "http", reason: "to ask the queue's API" }],
    };
  },

  run(config) {
    try {
      return check(JSON.parse(config));
    } catch (error) {
      // What a call of the host throws is its fault: whose it is, a stable word and one line.
      const fault = error.payload;
      if (!fault) throw error;
      return outcome(fault.status, fault.message, { evidence: [{ name: "error", value: fault.kind }] });
    }
  },
};
