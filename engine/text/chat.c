/* Chat templates; see chat.h. */
#include "engine/text/chat.h"

#include <string.h>

#include "base/file.h"
#include "base/jinja/jinja.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/load/gguf.h"

enum { MOST_TEMPLATES = 32, MOST_BYTES = 4 << 20 };

typedef struct named_template {
    char *name;
    as_jinja_template *compiled;
} named_template;

struct as_chat {
    int64_t count;
    named_template templates[MOST_TEMPLATES];
    json_t *special; /* bos_token and so on: name -> text */
};

void as_chat_close(as_chat *chat)
{
    if (!chat) return;
    for (int64_t i = 0; i < chat->count; i++) {
        as_free(chat->templates[i].name);
        as_jinja_free(chat->templates[i].compiled);
    }
    json_decref(chat->special);
    as_free(chat);
}

static as_code new_chat(as_chat **out, as_error *err)
{
    as_chat *chat = AS_NEW(as_chat);
    if (chat) chat->special = json_object();
    if (!chat || !chat->special) {
        as_free(chat);
        return as_fail_memory(err, "a chat template");
    }
    *out = chat;
    return AS_OK;
}

static as_code add_template(as_chat *chat, const char *name, const char *text, size_t size,
                            const char *source, as_error *err)
{
    if (chat->count == MOST_TEMPLATES) {
        return as_fail(err, AS_E_LIMIT, "%s: more than %d chat templates", source, MOST_TEMPLATES);
    }
    named_template made = {.name = as_strdup(name)};
    if (!made.name) return as_fail_memory(err, "a chat template");
    as_code rc = as_jinja_compile(text, size, source, NULL, &made.compiled, err);
    if (rc != AS_OK) {
        as_free(made.name);
        return rc;
    }
    chat->templates[chat->count++] = made;
    return AS_OK;
}

static as_code add_file(as_chat *chat, const char *name, const char *path, const char *source, as_error *err)
{
    as_buf text;
    as_buf_init(&text, MOST_BYTES);
    as_code rc = as_file_read(path, &text, err);
    if (rc == AS_OK) rc = add_template(chat, name, as_buf_text(&text), text.size, source, err);
    as_buf_free(&text);
    return rc;
}

/* chat_template.jinja and the folder chat_templates beside it. */
static as_code add_jinja_files(as_chat *chat, const char *directory, as_error *err)
{
    char path[AS_PATH_MAX], folder[AS_PATH_MAX];
    AS_TRY(as_path_join(path, directory, "chat_template.jinja", err));
    AS_TRY(as_path_join(folder, directory, "chat_templates", err));
    if (as_file_exists(path)) AS_TRY(add_file(chat, "default", path, "chat_template.jinja", err));
    if (!as_dir_exists(folder)) return AS_OK;
    char **names;
    size_t count;
    AS_TRY(as_dir_list(folder, &names, &count, err));
    as_code rc = AS_OK;
    for (size_t i = 0; rc == AS_OK && i < count; i++) {
        size_t size = strlen(names[i]);
        if (size < 7 || strcmp(names[i] + size - 6, ".jinja") != 0) continue;
        rc = as_path_join(path, folder, names[i], err);
        names[i][size - 6] = 0;
        if (rc == AS_OK) rc = add_file(chat, names[i], path, "chat_templates", err);
    }
    as_names_free(names, count);
    return rc;
}

/* The field "chat_template": a string, or a list of {"name", "template"}. */
static as_code add_field(as_chat *chat, const json_t *object, const char *source, as_error *err)
{
    const json_t *field = json_object_get(object, "chat_template");
    if (!field || json_is_null(field)) return AS_OK;
    if (json_is_string(field)) {
        return add_template(chat, "default", json_string_value(field), json_string_length(field), source,
                            err);
    }
    size_t i;
    json_t *item;
    if (!json_is_array(field)) {
        return as_fail(err, AS_E_INPUT, "%s: \"chat_template\" is neither a string nor a list", source);
    }
    json_array_foreach(field, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        const json_t *text = json_object_get(item, "template");
        if (!name || !json_is_string(text)) {
            return as_fail(err, AS_E_INPUT, "%s: \"chat_template\"[%zu] has no \"name\" and \"template\"",
                           source, i);
        }
        AS_TRY(add_template(chat, name, json_string_value(text), json_string_length(text), source, err));
    }
    return AS_OK;
}

/* Special tokens by name, each a string or {"content": ...}; earlier entries stand. */
static as_code add_special(as_chat *chat, const json_t *object, as_error *err)
{
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *token = json_object_get(object, names[i]);
        if (json_is_object(token)) token = json_object_get(token, "content");
        if (!json_is_string(token) || json_object_get(chat->special, names[i])) continue;
        if (json_object_set(chat->special, names[i], token) != 0)
            return as_fail_memory(err, "a chat template");
    }
    return AS_OK;
}

static as_code read_json_files(as_chat *chat, const char *directory, as_error *err)
{
    static const char *const files[] = {"tokenizer_config.json", "special_tokens_map.json",
                                        "chat_template.json"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[AS_PATH_MAX];
        json_t *object = NULL;
        AS_TRY(as_path_join(path, directory, files[i], err));
        if (!as_file_exists(path)) continue;
        AS_TRY(as_json_read(path, AS_JSON_LENIENT, 0, &object, err));
        as_code rc = add_special(chat, object, err);
        if (rc == AS_OK && chat->count == 0) rc = add_field(chat, object, files[i], err);
        json_decref(object);
        AS_TRY(rc);
    }
    return AS_OK;
}

/* ---- GGUF files ---- */

/* The spelling of the token whose id stands under a key. */
static as_code add_gguf_token(as_chat *chat, const as_gguf *gguf, const char *name, const char *key,
                              as_error *err)
{
    const as_gguf_value *tokens = NULL;
    as_gguf_cursor at;
    const char *text = NULL;
    size_t size = 0;
    int64_t id = -1;
    AS_TRY(as_gguf_get_strings(gguf, "tokenizer.ggml.tokens", &tokens, err));
    AS_TRY(as_gguf_get_int(gguf, key, &id, err));
    if (!tokens || id < 0 || (uint64_t)id >= tokens->count || json_object_get(chat->special, name))
        return AS_OK;
    as_gguf_first(&at, tokens);
    for (int64_t i = 0; i <= id; i++) as_gguf_next(&at, &text, &size);
    if (!as_utf8_is_valid(text, size)) return AS_OK;
    if (json_object_set_new(chat->special, name, json_stringn_nocheck(text, size)) != 0) {
        return as_fail_memory(err, "a chat template");
    }
    return AS_OK;
}

static as_code add_gguf_templates(as_chat *chat, const as_gguf *gguf, as_error *err)
{
    static const char key[] = "tokenizer.chat_template";
    size_t size = sizeof key - 1;
    for (int64_t i = 0; i < gguf->pair_count; i++) {
        const as_gguf_pair *pair = &gguf->pairs[i];
        bool named = strncmp(pair->key, key, size) == 0 && pair->key[size] == '.' && pair->key[size + 1];
        if (!named && strcmp(pair->key, key) != 0) continue;
        const char *text = NULL, *name = named ? pair->key + size + 1 : "default";
        size_t length = 0;
        AS_TRY(as_gguf_get_string(gguf, pair->key, &text, &length, err));
        if (length > MOST_BYTES) return as_fail(err, AS_E_LIMIT, "%s: %zu bytes", pair->key, length);
        AS_TRY(add_template(chat, name, text, length, pair->key, err));
    }
    return AS_OK;
}

static as_code read_gguf(as_chat *chat, const char *path, as_error *err)
{
    static const char *const tokens[][2] = {{"bos_token", "tokenizer.ggml.bos_token_id"},
                                            {"eos_token", "tokenizer.ggml.eos_token_id"},
                                            {"unk_token", "tokenizer.ggml.unknown_token_id"},
                                            {"pad_token", "tokenizer.ggml.padding_token_id"}};
    as_gguf_file file;
    char first[AS_PATH_MAX]; /* part of a model in several */
    AS_TRY(as_gguf_part_path(path, 1, first, err));
    AS_TRY(as_gguf_open(first, &file, err));
    as_code rc = add_gguf_templates(chat, &file.gguf, err);
    for (size_t i = 0; rc == AS_OK && i < sizeof tokens / sizeof tokens[0]; i++) {
        rc = add_gguf_token(chat, &file.gguf, tokens[i][0], tokens[i][1], err);
    }
    as_gguf_close(&file);
    return rc == AS_OK ? rc : as_wrap(err, "%s", as_path_base(path));
}

/* ---- opening ---- */

static as_code read_directory(as_chat *chat, const char *path, as_error *err)
{
    char file[AS_PATH_MAX];
    AS_TRY(add_jinja_files(chat, path, err));
    AS_TRY(read_json_files(chat, path, err));
    if (chat->count || as_gguf_find_file(path, file, NULL) != AS_OK) return AS_OK;
    return read_gguf(chat, file, err);
}

as_code as_chat_open(const char *path, as_chat **out, as_error *err)
{
    as_chat *chat = NULL;
    AS_TRY(new_chat(&chat, err));
    bool file = as_gguf_is_name(path) && !as_dir_exists(path);
    as_code rc = (file ? read_gguf : read_directory)(chat, path, err);
    if (rc == AS_OK && chat->count == 0) {
        rc = as_fail(err, AS_E_NOT_FOUND, "%s has no chat template", path);
    }
    if (rc != AS_OK) {
        as_chat_close(chat);
        return rc;
    }
    *out = chat;
    return AS_OK;
}

as_code as_chat_open_file(const char *path, as_chat **out, as_error *err)
{
    as_chat *chat = NULL;
    AS_TRY(new_chat(&chat, err));
    as_code rc = add_file(chat, "default", path, as_path_base(path), err);
    if (rc != AS_OK) {
        as_chat_close(chat);
        return rc;
    }
    *out = chat;
    return AS_OK;
}

static const as_jinja_template *find_template(const as_chat *chat, const char *name)
{
    for (int64_t i = 0; i < chat->count; i++) {
        if (strcmp(chat->templates[i].name, name) == 0) return chat->templates[i].compiled;
    }
    return NULL;
}

as_code as_chat_render(const as_chat *chat, const as_chat_input *input, as_buf *out, as_error *err)
{
    const as_jinja_template *chosen = input->tools ? find_template(chat, "tool_use") : NULL;
    if (!chosen) chosen = find_template(chat, "default");
    if (!chosen && chat->count == 1) chosen = chat->templates[0].compiled;
    if (!chosen) return as_fail(err, AS_E_INPUT, "several chat templates, and none is named \"default\"");
    json_t *variables = json_copy(chat->special);
    bool made = variables && json_object_set(variables, "messages", (json_t *)input->messages) == 0 &&
                json_object_set_new(variables, "tools",
                                    input->tools ? json_incref((json_t *)input->tools) : json_null()) == 0 &&
                json_object_set_new(variables, "documents", json_null()) == 0 &&
                json_object_set_new(variables, "add_generation_prompt",
                                    json_boolean(!input->no_generation_prompt)) == 0 &&
                (!input->variables || json_object_update(variables, (json_t *)input->variables) == 0);
    as_jinja_options options = {.now = input->now};
    as_code rc = made ? as_jinja_render(chosen, variables, &options, out, NULL, err)
                      : as_fail_memory(err, "a chat template's variables");
    json_decref(variables);
    return rc;
}
