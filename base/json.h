/* JSON by jansson, with what hub files need on top: bare NaN and Infinity, integers too long for 64 bits, a
 * byte-order mark, NUL inside strings, a depth limit, and messages that name file, field and value.
 *
 * Values are jansson's json_t. A bare NaN, Infinity or -Infinity becomes {"__float__": "NaN"} and so on, the
 * form in which newer transformers writes them; as_json_number reads both. An integer beyond 64 bits becomes
 * a real. Objects keep their order; of a repeated key the last value stands, unless duplicates are refused.
 */
#ifndef AS_BASE_JSON_H
#define AS_BASE_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

typedef enum { AS_JSON_LENIENT, AS_JSON_NO_DUPLICATES } as_json_mode;

/* Parse size bytes. On success *out is a new reference (json_decref). `name` stands in messages. */
AS_MUST_USE as_code as_json_parse(const char *text, size_t size, as_json_mode mode, const char *name,
                                  json_t **out, as_error *err);
/* Read and parse a file of at most max_bytes (0: 1 GiB). AS_E_NOT_FOUND when it is absent. */
AS_MUST_USE as_code as_json_read(const char *path, as_json_mode mode, size_t max_bytes, json_t **out,
                                 as_error *err);

/* Typed look-ups in an object. An absent or null field leaves *out as it is (the caller's default) and
 * succeeds; a value of another type is AS_E_INPUT with the field's name and the value found. Strings are
 * borrowed from the object. Integers accept an integral real (2.0); numbers accept integers. */
AS_MUST_USE as_code as_json_get_int(const json_t *object, const char *key, int64_t *out, as_error *err);
AS_MUST_USE as_code as_json_get_number(const json_t *object, const char *key, double *out, as_error *err);
AS_MUST_USE as_code as_json_get_bool(const json_t *object, const char *key, bool *out, as_error *err);
AS_MUST_USE as_code as_json_get_string(const json_t *object, const char *key, const char **out,
                                       as_error *err);
AS_MUST_USE as_code as_json_get_object(const json_t *object, const char *key, json_t **out, as_error *err);
AS_MUST_USE as_code as_json_get_array(const json_t *object, const char *key, json_t **out, as_error *err);

/* A number in any of its forms, {"__float__": "Infinity"} included; false for anything else. */
bool as_json_number(const json_t *value, double *out);
/* True when the field is there and not null. */
bool as_json_has(const json_t *object, const char *key);

/* What a value looks like in a message: at most 60 bytes of its compact form. */
const char *as_json_describe(const json_t *value, char room[static 64]);

/* Serialise: reals in the shortest form that reads back the same (as Python prints them). indent 0: compact
 * with no spaces. Non-finite reals become null, as JSON has no name for them. */
void as_json_write(const json_t *value, int indent, as_buf *out);
/* The shortest decimal form of x that reads back the same, as Python's repr (1.0, 1e-05, inf, nan). */
int as_json_format_real(double x, char room[static 32]);

#endif
