/* A model's chat template: where repositories keep it, which one applies, what it is given. */
#ifndef AS_ENGINE_TEXT_CHAT_H
#define AS_ENGINE_TEXT_CHAT_H

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

typedef struct as_chat as_chat;

/* The template of a model directory: chat_template.jinja and chat_templates/NAME.jinja, or the
 * "chat_template" of tokenizer_config.json (a string, or a list of named ones) or of chat_template.json; that
 * of a GGUF file (tokenizer.chat_template, and tokenizer.chat_template.NAME), which path may also name
 * itself. AS_E_NOT_FOUND when there is none. Templates are compiled here: AS_E_INPUT names file and line. */
AS_MUST_USE as_code as_chat_open(const char *path, as_chat **out, as_error *err);
/* One template from a file, without special tokens. */
AS_MUST_USE as_code as_chat_open_file(const char *path, as_chat **out, as_error *err);
void as_chat_close(as_chat *chat); /* NULL is allowed */

typedef struct as_chat_input {
    const json_t *messages;  /* array */
    const json_t *tools;     /* array or NULL: None; chooses the template "tool_use" where there is one */
    const json_t *variables; /* object or NULL: further variables, which win over all others */
    bool no_generation_prompt;
    const char *now; /* "2026-01-02T03:04:05" for strftime_now, or NULL: the clock */
} as_chat_input;

/* Appends the rendered text. Variables as transformers gives them: messages, tools, documents,
 * add_generation_prompt and the special tokens by name. */
AS_MUST_USE as_code as_chat_render(const as_chat *chat, const as_chat_input *input, as_buf *out,
                                   as_error *err);

#endif
