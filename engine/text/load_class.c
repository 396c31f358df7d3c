/* Special tokens of classes and configurations; see load_class.h. As in transformers 5,
 * tokenization_utils_tokenizers. */
#include "engine/text/load_class.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *const as_named_tokens[AS_NAMED_TOKENS] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                      "pad_token", "cls_token", "mask_token"};
enum { BOS = 0, EOS = 1 };

const char *as_load_class_name(const as_tokenizer_config *config, char room[static 64])
{
    const char *name = json_string_value(json_object_get(config->config, "tokenizer_class"));
    snprintf(room, 64, "%s", name ? name : "");
    size_t size = strlen(room);
    if (size > 4 && strcmp(room + size - 4, "Fast") == 0) room[size - 4] = 0;
    return room;
}

/* ---- the list of added tokens ---- */

typedef struct added_list {
    json_t *items; /* array of objects as in tokenizer.json */
    json_t *names; /* object: content to true */
} added_list;

static bool flag_of(const json_t *token, const char *name, bool otherwise)
{
    const json_t *value = json_object_get(token, name);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/* token is a string or an AddedToken as an object; flags that it does not give are those of a token that is
 * special or not. A content that is there already is passed over. */
static as_code add_token(added_list *list, const json_t *token, bool special, bool named, as_error *err)
{
    const json_t *content = json_is_object(token) ? json_object_get(token, "content") : token;
    if (!json_is_string(content)) return AS_OK;
    special = flag_of(token, "special", special) || named;
    const char *text = json_string_value(content);
    if (json_object_get(list->names, text)) return AS_OK;
    json_t *item =
        json_pack("{s:i,s:O,s:b,s:b,s:b,s:b,s:b}", "id", (int)json_array_size(list->items), "content",
                  content, "single_word", flag_of(token, "single_word", false), "lstrip",
                  flag_of(token, "lstrip", false), "rstrip", flag_of(token, "rstrip", false), "normalized",
                  flag_of(token, "normalized", !special), "special", special);
    if (!item || json_object_set_new(list->names, text, json_true()) != 0 ||
        json_array_append_new(list->items, item) != 0) {
        return as_fail_memory(err, "the special tokens");
    }
    return AS_OK;
}

typedef struct numbered {
    long long id;
    const char *key;
    const json_t *value;
} numbered;

static int by_number(const void *a, const void *b)
{
    long long x = ((const numbered *)a)->id, y = ((const numbered *)b)->id;
    return (x > y) - (x < y);
}

/* added_tokens_decoder: {"id": token}, in the order of the ids. */
static as_code add_decoder(added_list *list, const json_t *decoder, as_error *err)
{
    size_t count = 0;
    numbered *items = AS_NEW_ARRAY(numbered, json_object_size(decoder));
    if (!items) return as_fail_memory(err, "the special tokens");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)decoder, key, value) items[count++] =
        (numbered){strtoll(key, NULL, 10), key, value};
    qsort(items, count, sizeof *items, by_number);
    as_code rc = AS_OK;
    for (size_t i = 0; i < count && rc == AS_OK; i++) rc = add_token(list, items[i].value, false, false, err);
    as_free(items);
    return rc;
}

static bool is_named(const as_tokenizer_config *config, const char *content)
{
    for (int i = 0; i < AS_NAMED_TOKENS; i++) {
        const char *name = as_tokenizer_config_token(config, as_named_tokens[i]);
        if (name && strcmp(name, content) == 0) return true;
    }
    return false;
}

/* added_tokens.json, the older form: {"token": id}. */
static as_code add_older(added_list *list, const as_tokenizer_config *config, as_error *err)
{
    char path[AS_PATH_MAX];
    AS_TRY(as_path_join(path, config->dir, "added_tokens.json", err));
    if (!as_file_exists(path)) return AS_OK;
    json_t *map = NULL;
    AS_TRY(as_json_read(path, AS_JSON_LENIENT, 0, &map, err));
    size_t count = 0;
    numbered *items = AS_NEW_ARRAY(numbered, json_object_size(map));
    as_code rc = items ? AS_OK : as_fail_memory(err, "the special tokens");
    const char *key;
    json_t *value;
    if (items) {
        json_object_foreach(map, key, value) items[count++] =
            (numbered){json_integer_value(value), key, value};
        qsort(items, count, sizeof *items, by_number);
    }
    for (size_t i = 0; i < count && rc == AS_OK; i++) {
        json_t *content = json_string(items[i].key);
        rc = content ? add_token(list, content, is_named(config, items[i].key), false, err)
                     : as_fail_memory(err, "the special tokens");
        json_decref(content);
    }
    as_free(items);
    json_decref(map);
    return rc;
}

static as_code add_default(added_list *list, const char *content, as_error *err)
{
    json_t *text = json_string(content);
    as_code rc = text ? add_token(list, text, true, true, err) : as_fail_memory(err, "the special tokens");
    json_decref(text);
    return rc;
}

static as_code add_named(added_list *list, const as_load_class *class, const as_tokenizer_config *config,
                         as_error *err)
{
    for (int i = 0; i < AS_NAMED_TOKENS; i++) {
        const char *key = as_named_tokens[i];
        const json_t *token = json_object_get(config->config, key);
        if (!token) token = json_object_get(config->special, key);
        if (token) {
            AS_TRY(add_token(list, token, true, true, err));
        } else if (class->defaults[i]) {
            AS_TRY(add_default(list, class->defaults[i], err));
        }
    }
    return AS_OK;
}

static as_code add_extras(added_list *list, const as_load_class *class, const as_tokenizer_config *config,
                          as_error *err)
{
    const json_t *listed = json_object_get(config->config, "additional_special_tokens");
    if (!json_is_array(listed)) listed = json_object_get(config->config, "extra_special_tokens");
    if (!json_is_array(listed)) listed = json_object_get(config->special, "additional_special_tokens");
    for (size_t i = 0; json_is_array(listed) && i < json_array_size(listed); i++) {
        AS_TRY(add_token(list, json_array_get(listed, i), true, false, err));
    }
    for (size_t i = 0; !json_is_array(listed) && i < class->extra_count; i++) {
        const as_load_token *extra = &class->extras[i];
        json_t *token = json_pack("{s:s%,s:b,s:b}", "content", extra->content, extra->size, "special",
                                  extra->special, "normalized", 0);
        as_code rc = token ? add_token(list, token, extra->special, false, err)
                           : as_fail_memory(err, "the special tokens");
        json_decref(token);
        if (rc != AS_OK) return rc;
    }
    return AS_OK;
}

static as_code list_added(const as_load_class *class, as_tokenizer_config *config, json_t **out,
                          as_error *err)
{
    added_list list = {json_array(), json_object()};
    const json_t *decoder = json_object_get(config->config, "added_tokens_decoder");
    as_code rc = list.items && list.names ? AS_OK : as_fail_memory(err, "the special tokens");
    if (rc == AS_OK && json_is_object(decoder)) {
        json_object_clear(config->special); /* the older files do not count beside it */
        rc = add_decoder(&list, decoder, err);
    } else if (rc == AS_OK) {
        rc = add_older(&list, config, err);
    }
    if (rc == AS_OK) rc = add_named(&list, class, config, err);
    if (rc == AS_OK) rc = add_extras(&list, class, config, err);
    json_decref(list.names);
    if (rc != AS_OK) {
        json_decref(list.items);
        return rc;
    }
    *out = list.items;
    return AS_OK;
}

/* ---- the template ---- */

/* The token that a name stands for, NULL if it was set to null or never set. */
static const char *named_content(const as_load_class *class, const as_tokenizer_config *config, int name)
{
    const char *key = as_named_tokens[name];
    if (json_object_get(config->config, key) || json_object_get(config->special, key)) {
        return as_tokenizer_config_token(config, key);
    }
    return class->defaults[name];
}

static as_code put_special(const as_tokenizer *t, json_t *single, json_t *specials, const char *content,
                           as_error *err)
{
    int32_t id = as_tokenizer_id(t, content, strlen(content));
    if (id < 0)
        return as_fail(err, AS_E_INPUT, "the special token \"%.60s\" is not in the vocabulary", content);
    json_t *piece = json_pack("{s:{s:s,s:i}}", "SpecialToken", "id", content, "type_id", 0);
    json_t *special = json_pack("{s:s,s:[i],s:[s]}", "id", content, "ids", (int)id, "tokens", content);
    if (!piece || !special || json_array_append_new(single, piece) != 0 ||
        json_object_set_new(specials, content, special) != 0) {
        return as_fail_memory(err, "the template");
    }
    return AS_OK;
}

static as_code build_template(const as_tokenizer *t, const char *first, const char *last, json_t *post,
                              as_error *err)
{
    json_t *single = json_object_get(post, "single"), *specials = json_object_get(post, "special_tokens");
    if (first) AS_TRY(put_special(t, single, specials, first, err));
    json_t *text = json_pack("{s:{s:s,s:i}}", "Sequence", "id", "A", "type_id", 0);
    if (!text || json_array_append_new(single, text) != 0) return as_fail_memory(err, "the template");
    return last ? put_special(t, single, specials, last, err) : AS_OK;
}

static as_code set_template(as_tokenizer *t, const as_load_class *class, const as_tokenizer_config *config,
                            as_error *err)
{
    const char *first = class->always_first, *last = class->always_last;
    if (!first && !last) {
        bool bos = false, eos = false;
        AS_TRY(as_json_get_bool(config->config, "add_bos_token", &bos, err));
        AS_TRY(as_json_get_bool(config->config, "add_eos_token", &eos, err));
        first = bos ? named_content(class, config, BOS) : NULL;
        last = eos ? named_content(class, config, EOS) : NULL;
    }
    json_t *post =
        json_pack("{s:s,s:[],s:[],s:{}}", "type", "TemplateProcessing", "single", "pair", "special_tokens");
    as_postprocessor *made = NULL;
    as_code rc = post ? build_template(t, first, last, post, err) : as_fail_memory(err, "the template");
    if (rc == AS_OK) rc = as_postprocessor_open(post, &made, err);
    json_decref(post);
    if (rc != AS_OK) return rc;
    as_postprocessor_close(t->postprocessor);
    t->postprocessor = made;
    t->info.adds_special = first || last;
    return AS_OK;
}

/* ---- together ---- */

static as_code parse_parts(const as_load_class *class, json_t **out, as_error *err)
{
    as_buf text;
    as_buf_init(&text, 0);
    as_buf_char(&text, '{');
    as_buf_add(&text, class->parts, class->parts_size);
    as_buf_char(&text, '}');
    as_code rc = as_buf_check(&text, "the parts", err);
    if (rc == AS_OK) rc = as_json_parse(text.data, text.size, AS_JSON_LENIENT, "parts", out, err);
    as_buf_free(&text);
    return rc;
}

/* The named tokens' ids, where neither file nor configuration sets them again. */
static void set_ids(as_tokenizer *t, const as_load_class *class, const as_tokenizer_config *config)
{
    int32_t *const ids[AS_NAMED_TOKENS] = {&t->info.bos, &t->info.eos, &t->info.unk, NULL,
                                           &t->info.pad, NULL,         NULL};
    for (int i = 0; i < AS_NAMED_TOKENS; i++) {
        const char *content = named_content(class, config, i);
        if (ids[i] && content) *ids[i] = as_tokenizer_id(t, content, strlen(content));
    }
}

as_code as_load_assemble(const as_load_class *class, as_tokenizer_config *config,
                         const as_vocab_reader *reader, as_tokenizer **out, json_t **parts, as_error *err)
{
    json_t *added = NULL, *tree = NULL;
    as_tokenizer *t = NULL;
    as_code rc = list_added(class, config, &added, err);
    if (rc == AS_OK) rc = parse_parts(class, &tree, err);
    if (rc == AS_OK && json_object_set(tree, "added_tokens", added) != 0)
        rc = as_fail_memory(err, "the parts");
    as_tokenizer_spec spec = {.tokens = reader->tokens,
                              .token_count = reader->token_count,
                              .merges = reader->merges,
                              .merge_count = reader->merge_count};
    if (rc == AS_OK) rc = as_tokenizer_assemble(&spec, tree, &t, err);
    if (rc == AS_OK) rc = set_template(t, class, config, err);
    json_decref(added);
    if (rc != AS_OK) {
        as_tokenizer_close(t);
        json_decref(tree);
        return rc;
    }
    set_ids(t, class, config);
    *out = t;
    *parts = tree;
    return AS_OK;
}
