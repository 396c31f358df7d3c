/* Text without end that says nothing: English sentences from word lists of our own, never twice the same, in
 * which facts are hidden and with which prompts are filled. A pure function of (seed, number). */
#ifndef AS_SUITES_COMMON_FILLER_H
#define AS_SUITES_COMMON_FILLER_H

#include <stdint.h>

#include "base/buf.h"
#include "suites/target.h"

/* Appends sentence `number` of stream `seed`, without a space around it. */
void as_filler_sentence(uint64_t seed, uint64_t number, as_buf *out);

/* `count` tokens of such text, from sentence `first` on, with no special tokens; for a target that cannot
 * tokenize, tokens drawn at random from its vocabulary. */
AS_MUST_USE as_code as_filler_tokens(as_target *target, uint64_t seed, uint64_t first, int32_t *out,
                                     int64_t count, as_error *err);

#endif
