/* Normal forms of the first characters of a text, with the library's account of which of the new characters
 * come from the very first old one. */
#ifndef AS_ENGINE_TEXT_NORMAL_LEAD_H
#define AS_ENGINE_TEXT_NORMAL_LEAD_H

#include "engine/text/normalizer.h"

enum { AS_FORM_COMPAT = 1, AS_FORM_COMPOSE = 2 };
enum { AS_LEAD_SEGMENT_MAX = 2048 }; /* bytes; of a longer segment only the first character is told apart */

/* The class by which marks are put in order, 0 for all else. */
int as_normal_combining(int32_t point);

/* Writes the normal form of the segment that begins at begin and is size bytes long. */
AS_MUST_USE as_code as_normal_lead_segment(int form, const as_stretch *in, size_t begin, size_t size,
                                           as_emitter *e, as_error *err);

#endif
