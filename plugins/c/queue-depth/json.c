#include "json.h"

#include <ctype.h>
#include <string.h>

// Each level is a call.
#define MAX_DEPTH 64
#define MAX_COUNT (UINT64_C(1) << 53)

static bool take_value(json_t *text, int depth);

static char next(const json_t *text) { return text->at < text->end ? *text->at : '\0'; }

static void take_space(json_t *text) {
  while (next(text) && strchr(" \t\r\n", next(text))) text->at++;
}

static bool take(json_t *text, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(text->end - text->at) < length || memcmp(text->at, word, length)) return false;
  text->at += length;
  return true;
}

// The same, with space around it.
static bool take_mark(json_t *text, const char *mark) {
  take_space(text);
  if (!take(text, mark)) return false;
  take_space(text);
  return true;
}

static bool take_digits(json_t *text) {
  const char *start = text->at;
  while (isdigit((unsigned char)next(text))) text->at++;
  return text->at > start;
}

static bool take_number(json_t *text) {
  take(text, "-");
  if (!take(text, "0") && !take_digits(text)) return false;
  if (take(text, ".") && !take_digits(text)) return false;
  if (!take(text, "e") && !take(text, "E")) return true;
  if (!take(text, "+")) take(text, "-");
  return take_digits(text);
}

// What escapes stand for isn't looked at.
static bool take_text(json_t *text) {
  if (!take(text, "\"")) return false;
  while (text->at < text->end) {
    unsigned char byte = (unsigned char)*text->at++;
    if (byte == '"') return true;
    if (byte < ' ') return false;
    if (byte == '\\' && text->at < text->end) text->at++;
  }
  return false;
}

// `"name": `, up to the value.
static bool take_name(json_t *text, json_t *name) {
  name->at = text->at;
  if (!take_text(text)) return false;
  name->end = text->at;
  return take_mark(text, ":");
}

// Members of an object or elements of an array, behind what opens it.
static bool take_all(json_t *text, bool named, const char *close, int depth) {
  if (take_mark(text, close)) return true;
  do {
    json_t name;
    if (named && !take_name(text, &name)) return false;
    if (!take_value(text, depth)) return false;
  } while (take_mark(text, ","));
  return take(text, close);
}

static bool take_value(json_t *text, int depth) {
  switch (next(text)) {
  case '{': return depth > 0 && take_mark(text, "{") && take_all(text, true, "}", depth - 1);
  case '[': return depth > 0 && take_mark(text, "[") && take_all(text, false, "]", depth - 1);
  case '"': return take_text(text);
  case 't': return take(text, "true");
  case 'f': return take(text, "false");
  case 'n': return take(text, "null");
  default: return take_number(text);
  }
}

bool json_valid(json_t text) {
  take_space(&text);
  if (!take_value(&text, MAX_DEPTH)) return false;
  take_space(&text);
  return text.at == text.end;
}

static bool is(json_t text, const char *word) {
  return json_text(text, &text) && take(&text, word) && text.at == text.end;
}

bool json_member(json_t value, const char *name, json_t *member) {
  if (!take_mark(&value, "{")) return false;
  do {
    json_t found;
    if (!take_name(&value, &found)) return false;
    member->at = value.at;
    if (!take_value(&value, MAX_DEPTH)) return false;
    member->end = value.at;
    if (is(found, name)) return true;
  } while (take_mark(&value, ","));
  return false;
}

bool json_count(json_t value, uint64_t *count) {
  *count = 0;
  for (; isdigit((unsigned char)next(&value)) && *count <= MAX_COUNT; value.at++) {
    *count = *count * 10 + (uint64_t)(*value.at - '0');
  }
  return value.at == value.end && *count <= MAX_COUNT;
}

bool json_text(json_t value, json_t *text) {
  if (!take(&value, "\"") || memchr(value.at, '\\', (size_t)(value.end - value.at))) return false;
  *text = (json_t){value.at, value.end - 1};
  return true;
}
