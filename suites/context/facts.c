/* Facts; see facts.h. */
#include "suites/context/facts.h"

#include <stdio.h>
#include <string.h>

#include "base/embed.h"
#include "base/file.h"
#include "base/json.h"
#include "suites/common/filler.h"

enum { FILE_MAX = 16 << 20 };
extern const as_embedded as_context_files[];

/* `name` in the repository, else beside the held-out text; false when in neither. */
static bool find_file(const as_suite_context *context, const char *name, char room[static AS_PATH_MAX])
{
    const char *places[] = {context->repository ? context->repository->path : NULL, context->text_path};
    for (size_t i = 0; i < 2; i++) {
        if (!places[i] || !as_dir_exists(places[i])) continue;
        if (as_path_join(room, places[i], name, NULL) == AS_OK && as_file_exists(room)) return true;
    }
    return false;
}

static as_code get_list(const json_t *object, const char *key, size_t least, const json_t **out,
                        as_error *err)
{
    json_t *list = NULL, *item;
    size_t at;
    AS_TRY(as_json_get_array(object, key, &list, err));
    if (json_array_size(list) < least) {
        return as_fail(err, AS_E_INPUT, "%s holds %zu entries, expected at least %zu", key,
                       json_array_size(list), least);
    }
    json_array_foreach(list, at, item)
    {
        if (!json_is_string(item)) return as_fail(err, AS_E_INPUT, "%s[%zu] is not a string", key, at);
    }
    *out = list;
    return AS_OK;
}

static as_code read_fields(as_facts *f, as_error *err)
{
    json_t *number = NULL, *question = NULL, *probe = NULL, *filler = NULL;
    AS_TRY(as_json_get_string(f->file, "statement", &f->statement, err));
    AS_TRY(as_json_get_string(f->file, "value", &f->value, err));
    AS_TRY(as_json_get_string(f->file, "answer", &f->answer, err));
    AS_TRY(as_json_get_int(f->file, "fact_every", &f->fact_every, err));
    AS_TRY(as_json_get_object(f->file, "number", &number, err));
    AS_TRY(as_json_get_object(f->file, "question", &question, err));
    AS_TRY(as_json_get_object(f->file, "probe", &probe, err));
    AS_TRY(as_json_get_object(f->file, "filler", &filler, err));
    if (!number || !question || !probe || !filler) {
        return as_fail(err, AS_E_INPUT, "expected the objects number, question, probe and filler");
    }
    AS_TRY(as_json_get_int(number, "from", &f->number_from, err));
    AS_TRY(as_json_get_int(number, "to", &f->number_to, err));
    AS_TRY(as_json_get_string(question, "plain", &f->plain, err));
    AS_TRY(as_json_get_string(question, "chat", &f->chat, err));
    AS_TRY(get_list(probe, "names", 2, &f->names, err));
    AS_TRY(get_list(probe, "words", 1, &f->words, err));
    AS_TRY(get_list(filler, "names", 0, &f->filler_names, err));
    AS_TRY(get_list(filler, "words", 1, &f->filler_words, err));
    AS_TRY(get_list(filler, "sentences", 0, &f->sentences, err));
    AS_TRY(get_list(f->file, "short_sentences", 0, &f->short_sentences, err));
    if (!f->statement || !f->value || !f->answer || !f->plain || !f->chat || f->number_from > f->number_to) {
        return as_fail(err, AS_E_INPUT,
                       "statement, value, answer, question.plain, question.chat and number are needed");
    }
    return AS_OK;
}

as_code as_facts_load(const as_suite_context *context, as_facts *out, as_error *err)
{
    as_facts f = {.fact_every = 60, .number_from = 10, .number_to = 99};
    char path[AS_PATH_MAX] = "facts.json";
    f.own = find_file(context, "facts.json", path);
    if (f.own) {
        AS_TRY(as_json_read(path, AS_JSON_LENIENT, FILE_MAX, &f.file, err));
    } else {
        const as_embedded *file = as_embedded_find(as_context_files, "facts.json");
        AS_TRY(
            as_json_parse((const char *)file->data, file->size, AS_JSON_LENIENT, "facts.json", &f.file, err));
    }
    if (read_fields(&f, err) != AS_OK) {
        json_decref(f.file);
        return as_wrap(err, "%s", path);
    }
    *out = f;
    return AS_OK;
}

void as_facts_free(as_facts *facts)
{
    json_decref(facts->file);
}

static void print_pattern(const char *pattern, const char *const *keys, const char *const *values,
                          size_t count, as_buf *out)
{
    while (*pattern) {
        size_t k = 0;
        while (k < count && strncmp(pattern, keys[k], strlen(keys[k])) != 0) k++;
        if (k < count) {
            as_buf_str(out, values[k]);
            pattern += strlen(keys[k]);
        } else {
            as_buf_char(out, *pattern++);
        }
    }
}

void as_facts_print(const char *pattern, const char *name, const char *value, as_buf *out)
{
    static const char *const keys[] = {"{name}", "{value}"};
    const char *const values[] = {name, value};
    print_pattern(pattern, keys, values, 2, out);
}

static const char *pick(const json_t *list, as_rng *rng)
{
    return json_string_value(json_array_get(list, (size_t)as_rng_below(rng, json_array_size(list))));
}

void as_facts_value(const as_facts *f, const json_t *words, as_rng *rng, as_buf *out)
{
    static const char *const keys[] = {"{word}", "{number}"};
    char number[32];
    uint64_t range = (uint64_t)(f->number_to - f->number_from) + 1;
    const char *word = pick(words, rng);
    snprintf(number, sizeof number, "%lld", (long long)(f->number_from + (int64_t)as_rng_below(rng, range)));
    const char *const values[] = {word, number};
    print_pattern(f->value, keys, values, 2, out);
}

void as_facts_sentence(const as_facts *f, bool short_one, as_rng *rng, as_buf *out)
{
    const json_t *list = short_one ? f->short_sentences : f->sentences;
    if (json_array_size(list))
        as_buf_str(out, pick(list, rng));
    else
        as_filler_sentence(as_rng_u32(rng), as_rng_u32(rng), out);
}

int64_t as_facts_reach(const as_suite_context *context, bool chat)
{
    char path[AS_PATH_MAX];
    json_t *file;
    if (!find_file(context, "reach.json", path)) return 0;
    if (as_json_read(path, AS_JSON_LENIENT, FILE_MAX, &file, NULL) != AS_OK) return 0;
    const json_t *reach = json_object_get(file, "reach");
    if (json_is_object(reach)) reach = json_object_get(reach, chat ? "chat" : "plain");
    int64_t tokens = json_integer_value(reach);
    json_decref(file);
    return tokens > 0 ? tokens : 0;
}
