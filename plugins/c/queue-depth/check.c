// Is a queue short enough? Asks a JSON API, such as {"queue": {"depth": 12}}. What goes to the host lies on the heap: the
// generated code gives it back.

#include "json.h"
#include "target/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LITERAL(text) ((check_string_t){(uint8_t *)(text), sizeof(text) - 1})

typedef exports_pingmon_check_guest_info_t info_t;
typedef exports_pingmon_check_guest_context_t context_t;
typedef exports_pingmon_check_guest_outcome_t outcome_t;
typedef exports_pingmon_check_guest_error_t error_t;
typedef pingmon_check_http_fault_t fault_t;
typedef pingmon_check_http_response_t response_t;

typedef struct {
  json_t url;
  uint64_t most;
} config_t;

typedef struct {
  char *bytes;
  size_t length;
} bytes_t;

static const char SCHEMA[] = {
#embed "../../queue-depth.schema.json"
    , '\0'};

// A run that gets no memory is over, which pingmon calls `unknown`.
static void *resize(void *memory, size_t size) {
  void *resized = realloc(memory, size);
  if (!resized) abort();
  return resized;
}

static void *copy(const void *value, size_t size) { return memcpy(resize(NULL, size), value, size); }

static check_string_t text(const char *literal) {
  check_string_t copied;
  check_string_dup(&copied, literal);
  return copied;
}

// As `printf` writes it, in up to 255 bytes.
static check_string_t say(const char *format, ...) {
  char line[256];
  va_list values;
  va_start(values, format);
  vsnprintf(line, sizeof line, format, values);
  va_end(values);
  return text(line);
}

static void note_error(outcome_t *outcome, check_string_t kind) {
  pingmon_check_types_fact_t error = {text("error"), kind};
  outcome->evidence.ptr = copy(&error, sizeof error);
  outcome->evidence.len = 1;
}

// What a call of the host says is the verdict: whose fault it is, a stable word and one line.
static void pass_on(fault_t *fault, outcome_t *outcome) {
  outcome->status = fault->status;
  outcome->message = fault->message;
  note_error(outcome, fault->kind);
}

static void take_phases(response_t *answer, outcome_t *outcome) {
  outcome->phases.ptr = answer->phases.ptr;
  outcome->phases.len = answer->phases.len;
  answer->phases.len = 0;
  outcome->latency.is_some = outcome->phases.len > 0;
  for (size_t n = 0; n < outcome->phases.len; n++) outcome->latency.val += outcome->phases.ptr[n].microseconds;
}

static bool read_all(pingmon_check_http_own_body_t body, bytes_t *whole, fault_t *fault) {
  pingmon_check_http_borrow_body_t borrowed = pingmon_check_http_borrow_body(body);
  for (;;) {
    check_list_u8_t piece;
    if (!pingmon_check_http_method_body_read(borrowed, &piece, fault)) return false;
    if (piece.len == 0) return true;
    whole->bytes = resize(whole->bytes, whole->length + piece.len);
    memcpy(whole->bytes + whole->length, piece.ptr, piece.len);
    whole->length += piece.len;
    check_list_u8_free(&piece);
  }
}

static bool find_depth(bytes_t body, uint64_t *depth) {
  json_t whole = {body.bytes, body.bytes + body.length}, queue, found;
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
  bytes_t body = {0};
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
  free(body.bytes);
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
