/* Reading the parts of a tokenizer.json: normalizers, pre-tokenizers, post-processors, decoders. Each is
 * null, one object with a "type", or a Sequence of them. */
#ifndef AS_ENGINE_TEXT_PART_H
#define AS_ENGINE_TEXT_PART_H

#include "base/error.h"
#include "base/json.h"

/* Called for each part that is no sequence, in order; type is NULL where the file gives none. */
typedef as_code as_part_add(void *context, const json_t *value, const char *type, as_error *err);

/* list is the name of a sequence's field. null and NULL are an empty list. */
AS_MUST_USE as_code as_part_each(const json_t *value, const char *list, as_part_add *add, void *context,
                                 as_error *err);

/* True when the object has all the fields of a list separated by spaces; false for a NULL list. */
bool as_part_has_fields(const json_t *value, const char *fields);

/* Fields that must be there. Text is copied (as_free) and may hold NUL; a character is one code point. */
AS_MUST_USE as_code as_part_text(const json_t *value, const char *key, char **out, size_t *size,
                                 as_error *err);
AS_MUST_USE as_code as_part_bool(const json_t *value, const char *key, bool *out, as_error *err);
AS_MUST_USE as_code as_part_count(const json_t *value, const char *key, int64_t *out, as_error *err);
AS_MUST_USE as_code as_part_char(const json_t *value, const char *key, uint32_t *out, as_error *err);

as_code as_part_unknown(const char *what, const char *type, as_error *err); /* fails with a message */

#endif
