/* Models of several parts of which the one that continues text runs: which classes there are, and which
 * family their text part is. Both are tables in text_parts.c. */
#ifndef AS_ENGINE_ARCH_TEXT_PARTS_H
#define AS_ENGINE_ARCH_TEXT_PARTS_H

#include "engine/arch/arch.h"

/* The family of all these classes; it reads spec->architecture. */
extern const as_family as_family_text_part;

/* The names of the classes, in order; NULL past the last. */
const char *as_text_part_at(int64_t i);

/* The object that holds the text part's fields: nested, of the thinker where there is one, or the whole. */
const json_t *as_config_text_part(const json_t *whole);

#endif
