/* Post-processors: the special tokens put around a text. */
#ifndef AS_ENGINE_TEXT_POSTPROCESSOR_H
#define AS_ENGINE_TEXT_POSTPROCESSOR_H

#include "base/error.h"
#include "base/json.h"
#include "engine/text/tokenizer.h"

typedef struct as_postprocessor as_postprocessor;

AS_MUST_USE as_code as_postprocessor_open(const json_t *value, as_postprocessor **out, as_error *err);
void as_postprocessor_close(as_postprocessor *postprocessor);

/* Works on tokens->ids[begin..], the ids of one text. */
AS_MUST_USE as_code as_postprocessor_run(const as_postprocessor *postprocessor, bool add_special,
                                         as_tokens *tokens, size_t begin, as_error *err);

#endif
