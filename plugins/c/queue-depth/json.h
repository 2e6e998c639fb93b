// Reads JSON in place: enough for a config and for an answer, without copies. It isn't a whole library: numbers are whole and
// not negative, and texts with escapes aren't read.

#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A value, or what remains of a text.
typedef struct {
  const char *at, *end;
} json_t;

// Whether the text is one valid value, nested at most 64 levels deep.
bool json_valid(json_t text);

// The member of that name, if the value is an object that has one. Here and below, the value is part of a valid text.
bool json_member(json_t value, const char *name, json_t *member);

// The value as a whole number from 0 up to 2^53, to which doubles count as well.
bool json_count(json_t value, uint64_t *count);

// What stands between the quotes of a text.
bool json_text(json_t value, json_t *text);

#endif
