/* Chat messages from files through a model's template. */
#ifndef AS_HARNESS_CHAT_H
#define AS_HARNESS_CHAT_H

#include "engine/engine.h"
#include "engine/text/tokenizer.h"
#include "harness/options.h"

/* What the command line says about a conversation. */
typedef struct as_chat_files {
    const char *template_file; /* NULL: the model's own */
    const char *messages, *tools;
    const char *now;
    bool no_generation_prompt;
    as_text_list variables; /* NAME=JSON */
} as_chat_files;

/* directory may be NULL where template_file is given. */
AS_MUST_USE as_code as_chat_render_files(const char *directory, const as_chat_files *files, as_buf *out,
                                         as_error *err);
/* The same, encoded for the model (the template writes the special tokens itself). */
AS_MUST_USE as_code as_chat_encode(const as_model *model, const as_chat_files *files, as_tokens *out,
                                   as_error *err);

#endif
