#include "guest.h"

#include <stdlib.h>
#include <string.h>

static void *resize(void *memory, size_t size) {
  void *resized = realloc(memory, size);
  if (!resized) abort();
  return resized;
}

void *copy(const void *value, size_t size) { return memcpy(resize(NULL, size), value, size); }

check_string_t text(const char *literal) {
  check_string_t copied;
  check_string_dup(&copied, literal);
  return copied;
}

void note_error(outcome_t *outcome, check_string_t kind) {
  pingmon_check_types_fact_t error = {text("error"), kind};
  outcome->evidence.ptr = copy(&error, sizeof error);
  outcome->evidence.len = 1;
}

void pass_on(fault_t *fault, outcome_t *outcome) {
  outcome->status = fault->status;
  outcome->message = fault->message;
  note_error(outcome, fault->kind);
}

void take_phases(response_t *answer, outcome_t *outcome) {
  outcome->phases.ptr = answer->phases.ptr;
  outcome->phases.len = answer->phases.len;
  answer->phases.len = 0;
  outcome->latency.is_some = outcome->phases.len > 0;
  for (size_t n = 0; n < outcome->phases.len; n++) outcome->latency.val += outcome->phases.ptr[n].microseconds;
}

bool read_all(pingmon_check_http_own_body_t body, check_list_u8_t *whole, fault_t *fault) {
  pingmon_check_http_borrow_body_t borrowed = pingmon_check_http_borrow_body(body);
  for (;;) {
    check_list_u8_t piece;
    if (!pingmon_check_http_method_body_read(borrowed, &piece, fault)) return false;
    if (piece.len == 0) return true;
    whole->ptr = resize(whole->ptr, whole->len + piece.len);
    memcpy(whole->ptr + whole->len, piece.ptr, piece.len);
    whole->len += piece.len;
    check_list_u8_free(&piece);
  }
}
