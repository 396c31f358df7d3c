/* Chat messages through a model's template. */
#ifndef AS_HARNESS_CHAT_H
#define AS_HARNESS_CHAT_H

#include "engine/engine.h"
#include "engine/text/tokenizer.h"

/* Renders the messages of a JSON file (and tools, or NULL) with the model's template and encodes them. */
AS_MUST_USE as_code as_chat_encode(const as_model *model, const char *messages_path, const char *tools_path,
                                   as_tokens *out, as_error *err);

#endif
