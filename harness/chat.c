/* Chat messages through a template; see chat.h. */
#include "harness/chat.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/text/chat.h"

/* NAME=JSON into the object. */
static as_code add_variable(json_t *object, const char *text, as_error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) return as_fail(err, AS_E_USAGE, "--var %s: expected NAME=JSON", text);
    json_t *value;
    as_code rc = as_json_parse(equals + 1, strlen(equals + 1), AS_JSON_LENIENT, "the value", &value, err);
    if (rc != AS_OK) {
        as_wrap(err, "--var %.*s", (int)(equals - text), text);
        return as_fail(err, AS_E_USAGE, "%s", err->text);
    }
    char *name = as_strndup(text, (size_t)(equals - text));
    bool set = name && json_object_set_new(object, name, value) == 0;
    as_free(name);
    return set ? AS_OK : as_fail_memory(err, "a variable");
}

static as_code read_list(const char *path, const char *what, json_t **out, as_error *err)
{
    json_t *value;
    AS_TRY(as_json_read(path, AS_JSON_LENIENT, 0, &value, err));
    /* A request's whole body is taken too. */
    json_t *inner = json_is_object(value) ? json_object_get(value, what) : NULL;
    if (inner) {
        json_incref(inner);
        json_decref(value);
        value = inner;
    }
    if (!json_is_array(value)) {
        json_decref(value);
        return as_fail(err, AS_E_INPUT, "%s: expected a JSON list of %s", path, what);
    }
    *out = value;
    return AS_OK;
}

static as_code render(as_chat *chat, const as_chat_files *files, as_buf *out, as_error *err)
{
    json_t *messages = NULL, *tools = NULL, *variables = json_object();
    as_code rc = variables ? AS_OK : as_fail_memory(err, "the variables");
    if (rc == AS_OK) rc = read_list(files->messages, "messages", &messages, err);
    if (rc == AS_OK && files->tools) rc = read_list(files->tools, "tools", &tools, err);
    for (int64_t i = 0; rc == AS_OK && i < files->variables.count; i++) {
        rc = add_variable(variables, files->variables.items[i], err);
    }
    if (rc == AS_OK) {
        as_chat_input input = {.messages = messages,
                               .tools = tools,
                               .variables = variables,
                               .no_generation_prompt = files->no_generation_prompt,
                               .now = files->now};
        rc = as_chat_render(chat, &input, out, err);
    }
    json_decref(messages);
    json_decref(tools);
    json_decref(variables);
    return rc;
}

as_code as_chat_render_files(const char *directory, const as_chat_files *files, as_buf *out, as_error *err)
{
    as_chat *chat;
    AS_TRY(files->template_file ? as_chat_open_file(files->template_file, &chat, err)
                                : as_chat_open(directory, &chat, err));
    as_code rc = render(chat, files, out, err);
    as_chat_close(chat);
    return rc;
}

as_code as_chat_encode(const as_model *model, const as_chat_files *files, as_tokens *out, as_error *err)
{
    as_buf text;
    as_buf_init(&text, 0);
    as_encode_options options = {.no_special = true};
    as_code rc = as_chat_render_files(as_model_facts(model)->path, files, &text, err);
    if (rc == AS_OK) {
        rc =
            as_tokenizer_encode(as_model_tokenizer(model), as_buf_text(&text), text.size, &options, out, err);
    }
    as_buf_free(&text);
    return rc;
}
