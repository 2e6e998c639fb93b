// Is a queue short enough? Asks a JSON API, such as {"queue": {"depth": 12}}.

#include "guest.h"
#include "json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef exports_pingmon_check_guest_info_t info_t;
typedef exports_pingmon_check_guest_context_t context_t;
typedef exports_pingmon_check_guest_error_t error_t;

typedef struct {
  json_t url;
  uint64_t most;
} config_t;

static const char SCHEMA[] = {
#embed "../../queue-depth.schema.json"
    , '\0'};

// As `printf` writes it, in up to 255 bytes.
static check_string_t say(const char *format, ...) {
  char line[256];
  va_list values;
  va_start(values, format);
  vsnprintf(line, sizeof line, format, values);
  va_end(values);
  return text(line);
}

static bool find_depth(check_list_u8_t body, uint64_t *depth) {
  json_t whole = {(const char *)body.ptr, (const char *)body.ptr + body.len}, queue, found;
  return json_valid(whole) && json_member(whole, "queue", &queue) && json_member(queue, "depth", &found) &&
         json_count(found, depth);
}

static void judge(uint64_t depth, uint64_t most, outcome_t *outcome) {
  pingmon_check_types_metric_t metric = {.name = text("queue_depth"), .value = (double)depth};
  outcome->metrics.ptr = copy(&metric, sizeof metric);
  outcome->metrics.len = 1;
  if (depth <= most) {
    outcome->status = PINGMON_CHECK_TYPES_STATUS_UP;
    outcome->message = say("%" PRIu64 " waiting", depth);
    return;
  }
  outcome->status = PINGMON_CHECK_TYPES_STATUS_DEGRADED;
  outcome->message = say("%" PRIu64 " waiting, more than %" PRIu64, depth, most);
  pingmon_check_types_failure_t failure = {
      .expectation = text("depth"),
      .level = PINGMON_CHECK_TYPES_LEVEL_DEGRADED,
      .expected = say("at most %" PRIu64, most),
      .actual = say("%" PRIu64, depth),
  };
  outcome->failed.ptr = copy(&failure, sizeof failure);
  outcome->failed.len = 1;
}

static void judge_answer(response_t *answer, uint64_t most, outcome_t *outcome) {
  if (answer->status != 200) {
    outcome->message = say("status %d, expected 200", answer->status);
    take_phases(answer, outcome);
    return;
  }
  check_list_u8_t body = {0};
  fault_t fault;
  uint64_t depth;
  if (!read_all(answer->body, &body, &fault)) {
    pass_on(&fault, outcome);
  } else if (!find_depth(body, &depth)) {
    outcome->message = text("the body isn't the expected JSON: no whole number is queue.depth");
    note_error(outcome, text("invalid_body"));
  } else {
    judge(depth, most, outcome);
    take_phases(answer, outcome);
  }
  free(body.ptr);
}

static void check(const config_t *config, outcome_t *outcome) {
  pingmon_check_http_request_t request = {
      .method = LITERAL("GET"),
      .url = {(uint8_t *)config->url.at, (size_t)(config->url.end - config->url.at)},
      .redirects = 10,
  };
  response_t answer;
  fault_t fault;
  if (!pingmon_check_http_fetch(&request, &answer, &fault)) {
    pass_on(&fault, outcome);
    return;
  }
  judge_answer(&answer, config->most, outcome);
  pingmon_check_http_response_free(&answer);
}

// The config fits the schema; what this program can't read all the same is an error.
static const char *read_config(check_string_t *written, config_t *config) {
  json_t whole = {(const char *)written->ptr, (const char *)written->ptr + written->len}, url, most;
  if (!json_valid(whole)) return "the config isn't JSON";
  if (!json_member(whole, "url", &url) || !json_text(url, &config->url)) return "url must be a text without escapes";
  if (!json_member(whole, "most", &most) || !json_count(most, &config->most)) return "most must be from 0 to 2^53";
  return NULL;
}

void exports_pingmon_check_guest_describe(info_t *info) {
  pingmon_check_types_want_t http = {PINGMON_CHECK_TYPES_CAPABILITY_HTTP, text("to ask the queue's API")};
  *info = (info_t){
      .name = text("queue-depth"),
      .version = text("0.1.0"),
      .description = text("Is a queue short enough? Asks a JSON API."),
      .config_schema = text(SCHEMA),
      .wants = {copy(&http, sizeof http), 1},
  };
}

bool exports_pingmon_check_guest_run(check_string_t *written, context_t *context, outcome_t *outcome, error_t *error) {
  *outcome = (outcome_t){.status = PINGMON_CHECK_TYPES_STATUS_DOWN};
  config_t config;
  const char *fault = read_config(written, &config);
  if (fault) {
    *error = (error_t){.tag = PINGMON_CHECK_TYPES_ERROR_CONFIG, .val = {.config = text(fault)}};
  } else {
    check(&config, outcome);
  }
  check_string_free(written);
  exports_pingmon_check_guest_context_free(context);
  return !fault;
}
