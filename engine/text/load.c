/* Which tokenizer a directory holds, and what its configuration adds; see load.h. */
#include "engine/text/load.h"

#include <string.h>

#include "base/mem.h"
#include "engine/load/gguf.h"
#include "engine/text/load_world.h"

static as_code read_optional(const char *dir, const char *name, json_t **out, as_error *err)
{
    char path[AS_PATH_MAX];
    AS_TRY(as_path_join(path, dir, name, err));
    json_t *value = NULL;
    if (as_file_exists(path)) {
        AS_TRY(as_json_read(path, AS_JSON_LENIENT, 0, &value, err));
        if (!json_is_object(value)) {
            json_decref(value);
            return as_fail(err, AS_E_INPUT, "%s: not an object", name);
        }
    } else {
        value = json_object();
        if (!value) return as_fail_memory(err, name);
    }
    *out = value;
    return AS_OK;
}

/* A special token stands as a string or as an object with its content. */
static const char *token_content(const json_t *value)
{
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

const char *as_tokenizer_config_token(const as_tokenizer_config *config, const char *key)
{
    const char *content = token_content(json_object_get(config->config, key));
    return content ? content : token_content(json_object_get(config->special, key));
}

static void set_special(const as_tokenizer *t, const as_tokenizer_config *config, const char *key,
                        int32_t *id)
{
    const char *content = as_tokenizer_config_token(config, key);
    int32_t found = content ? as_tokenizer_id(t, content, strlen(content)) : -1;
    if (found >= 0) *id = found;
}

/* Configurations say "no limit" by a very large number. */
static int64_t sane_length(const json_t *value)
{
    double length;
    if (!as_json_number(value, &length) || length < 1 || length > 1e12) return 0;
    return (int64_t)length;
}

static as_code apply_config(as_tokenizer *t, const as_tokenizer_config *config, const json_t *parts,
                            as_error *err)
{
    bool clean = false;
    AS_TRY(as_json_get_bool(config->config, "clean_up_tokenization_spaces", &clean, err));
    if (clean) AS_TRY(as_tokenizer_clean_spaces(t, parts, err));
    set_special(t, config, "bos_token", &t->info.bos);
    set_special(t, config, "eos_token", &t->info.eos);
    set_special(t, config, "unk_token", &t->info.unk);
    set_special(t, config, "pad_token", &t->info.pad);
    t->info.max_length = sane_length(json_object_get(config->config, "model_max_length"));
    const char *class_name = json_string_value(json_object_get(config->config, "tokenizer_class"));
    t->class_name = as_strdup(class_name ? class_name : "");
    if (!t->class_name) return as_fail_memory(err, "the tokenizer");
    t->info.class_name = t->class_name;
    return AS_OK;
}

/* ---- forms ---- */

typedef as_code load_form(const char *path, as_tokenizer_config *config, as_tokenizer **out, json_t **parts,
                          as_error *err);

/* A vocab.txt holds WordPiece tokens or, for RWKV, Python strings. */
static as_code load_vocab_txt(const char *path, as_tokenizer_config *config, as_tokenizer **out,
                              json_t **parts, as_error *err)
{
    as_map map;
    AS_TRY(as_map_open(path, &map, err));
    bool world = as_world_is_vocab((const char *)map.data, map.size);
    as_map_close(&map);
    return (world ? as_load_world : as_load_wordpiece)(path, config, out, parts, err);
}

/* In the order in which they are looked for; the last is a file of any name that ends in .gguf. */
static const struct {
    const char *name;
    load_form *load;
} forms[] = {
    {"tokenizer.json", as_load_json},
    {"tokenizer.model", as_load_sentencepiece},
    {"spiece.model", as_load_sentencepiece},
    {"vocab.json", as_load_merges},
    {"vocab.txt", load_vocab_txt},
    {"rwkv_vocab_v20230424.txt", as_load_world},
    {"GGUF", as_load_gguf},
};
enum { FORMS = sizeof forms / sizeof forms[0], GGUF = FORMS - 1, VOCAB_TXT = 4 };

/* What a file of any name holds, by how the name ends. */
static int form_of(const char *path)
{
    const char *base = as_path_base(path), *dot = strrchr(base, '.');
    for (int i = 0; i < GGUF; i++) {
        if (strcmp(forms[i].name, base) == 0) return i;
    }
    return as_gguf_is_name(base) ? GGUF : dot && strcmp(dot, ".txt") == 0 ? VOCAB_TXT : 0;
}

static as_code load_with(int form, const char *path, as_tokenizer_config *config, as_tokenizer **out,
                         as_error *err)
{
    as_tokenizer *t = NULL;
    json_t *parts = NULL;
    AS_TRY(forms[form].load(path, config, &t, &parts, err));
    as_code rc = apply_config(t, config, parts, err);
    json_decref(parts);
    if (rc != AS_OK) {
        as_tokenizer_close(t);
        return as_wrap(err, "tokenizer_config.json");
    }
    t->info.source = forms[form].name;
    *out = t;
    return AS_OK;
}

static as_code open_dir(const char *dir, int wanted, const char *path, as_tokenizer **out, as_error *err)
{
    as_tokenizer_config config = {.dir = dir};
    as_code rc = read_optional(dir, "tokenizer_config.json", &config.config, err);
    if (rc == AS_OK) rc = read_optional(dir, "special_tokens_map.json", &config.special, err);
    if (rc == AS_OK) rc = load_with(wanted, path, &config, out, err);
    json_decref(config.config);
    json_decref(config.special);
    return rc;
}

as_code as_tokenizer_open(const char *path, as_tokenizer **out, as_error *err)
{
    char file[AS_PATH_MAX];
    if (as_dir_exists(path)) {
        for (int i = 0; i < GGUF; i++) {
            AS_TRY(as_path_join(file, path, forms[i].name, err));
            if (as_file_exists(file)) return open_dir(path, i, file, out, err);
        }
        if (as_gguf_find_file(path, file, NULL) == AS_OK) return open_dir(path, GGUF, file, out, err);
        return as_fail(err, AS_E_NOT_FOUND,
                       "%s: no tokenizer.json, tokenizer.model, vocab.json, vocab.txt or .gguf", path);
    }
    if (!as_file_exists(path)) return as_fail(err, AS_E_NOT_FOUND, "%s: no such file or directory", path);
    const char *base = as_path_base(path);
    size_t dir_size = (size_t)(base - path);
    if (dir_size >= sizeof file) return as_fail(err, AS_E_LIMIT, "%.60s...: the path is too long", path);
    memcpy(file, path, dir_size);
    file[dir_size] = 0;
    if (!dir_size) strcpy(file, ".");
    return open_dir(file, form_of(path), path, out, err);
}
