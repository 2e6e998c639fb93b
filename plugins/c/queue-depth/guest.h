// What checks in C have in common: texts and lists for the host, and how its calls come into a verdict. What goes to the
// host lies on the heap: the generated code gives it back.

#ifndef GUEST_H
#define GUEST_H

#include "target/check.h"

#define LITERAL(text) ((check_string_t){(uint8_t *)(text), sizeof(text) - 1})

typedef exports_pingmon_check_guest_outcome_t outcome_t;
typedef pingmon_check_http_fault_t fault_t;
typedef pingmon_check_http_response_t response_t;

// A copy of a value. A run that gets no memory is over, which pingmon calls `unknown`.
void *copy(const void *value, size_t size);

// A copy of a text.
check_string_t text(const char *literal);

// Puts a stable word for what went wrong into the evidence.
void note_error(outcome_t *outcome, check_string_t kind);

// What a call of the host says is the verdict: whose fault it is, a stable word and one line.
void pass_on(fault_t *fault, outcome_t *outcome);

// Takes the times of a request over, and their sum as the latency.
void take_phases(response_t *answer, outcome_t *outcome);

// Reads a body to its end, into a list that is empty at first. Whoever calls frees `whole->ptr`, also after a fault.
bool read_all(pingmon_check_http_own_body_t body, check_list_u8_t *whole, fault_t *fault);

#endif
