/* Checkpoints and configurations that contradict each other, for every fixture model: a tensor that is
 * missing or too many is named, and whatever a size of config.json is changed to, loading says what does not
 * fit or gives a model that computes. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/engine/checkpoint.h"
#include "tests/engine/golden.h"

enum { MOST_FIELDS = 256, MOST_SECONDS = 5, TOKENS = 20 };

static int complaints;

static void complain(const char *model, const char *what, const char *why)
{
    complaints++;
    cr_log_error("%s: %s: %s", model, what, why);
}

/* Sanitizers stretch the work: every third model with them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEP = 3 };
#else
enum { STEP = 1 };
#endif

static void for_every_model(void (*check)(const char *name, checkpoint *c))
{
    char **names = NULL;
    size_t count = 0;
    golden_list(&names, &count);
    for (size_t i = 0; i < count; i += STEP) {
        checkpoint *c = checkpoint_read(names[i]);
        checkpoint_write(c);
        check(names[i], c);
        checkpoint_free(c);
    }
    as_names_free(names, count);
    cr_assert_eq(complaints, 0, "%d complaints", complaints);
}

/* The folder as it now is. */
static as_code open_again(const checkpoint *c, as_model **out, as_error *err)
{
    as_model_options options = {.threads = 1, .without_tokenizer = true};
    return as_model_open(c->path, &options, out, err);
}

/* ---- tensors ---------------------------------------------------------------------------------------------
 */

/* Renames a tensor in the file, by one letter. */
static void rename_in_file(const checkpoint *c, const char *name, char from, char to)
{
    char path[512], quoted[160];
    as_buf bytes;
    as_error err;
    snprintf(path, sizeof path, "%s/model.safetensors", c->path);
    snprintf(quoted, sizeof quoted, "\"%.*s%c\"", (int)strlen(name) - 1, name, from);
    as_buf_init(&bytes, 0);
    cr_assert_eq(as_file_read(path, &bytes, &err), AS_OK, "%s", err.text);
    char *at = memmem(bytes.data, bytes.size, quoted, strlen(quoted));
    cr_assert_not_null(at, "%s", quoted);
    at[strlen(name)] = to;
    FILE *file = fopen(path, "r+b"); /* in place: the file is large beside its header */
    cr_assert(file && fseek(file, (long)(at - bytes.data), SEEK_SET) == 0 &&
              fwrite(at, 1, strlen(quoted), file) == strlen(quoted) && fclose(file) == 0);
    as_buf_free(&bytes);
}

/* Taken away, it stands there under another name: what needs it is told first. */
static void check_missing(const char *name, checkpoint *c)
{
    as_repository *repo;
    as_needs *needs = NULL;
    as_error err;
    cr_assert_eq(as_repository_open(c->path, &repo, &err), AS_OK, "%s", err.text);
    cr_assert_eq(as_needs_open(repo, c->config, &needs, &err), AS_OK, "%s: %s", name, err.text);
    for (int64_t i = 0; i < c->count; i++) {
        const char *tensor = c->tensors[i].name;
        size_t size = strlen(tensor);
        as_model *model = NULL;
        rename_in_file(c, tensor, tensor[size - 1], '~');
        as_code rc = open_again(c, &model, &err);
        rename_in_file(c, tensor, '~', tensor[size - 1]);
        if (rc == AS_OK) {
            if (!as_needs_ignores(needs, tensor)) complain(name, tensor, "not missed");
            as_model_close(model);
            continue;
        }
        /* One that may be left out is known as surplus under the other name. */
        const char *at = strstr(err.text, tensor);
        char other[160];
        snprintf(other, sizeof other, "%.*s~", (int)size - 1, tensor);
        if (!at && !strstr(err.text, other)) complain(name, tensor, err.text);
    }
    as_needs_close(needs);
    as_repository_close(repo);
}

Test(hostile, a_missing_tensor_is_named)
{
    for_every_model(check_missing);
}

static void check_surplus(const char *name, checkpoint *c)
{
    static const char *const added[] = {"model.layers.0.self_attn.q_proj.weight_2", "stranger"};
    for (size_t i = 0; i < 2; i++) {
        as_model *model = NULL;
        as_error err;
        checkpoint_copy(c, c->tensors[0].name, added[i]);
        as_code rc = checkpoint_open(c, NULL, &model, &err);
        if (rc != AS_E_INPUT || !strstr(err.text, added[i])) {
            complain(name, added[i], rc == AS_OK ? "not told" : err.text);
        }
        as_model_close(model);
        checkpoint_remove(c, added[i]);
    }
}

Test(hostile, a_surplus_tensor_is_named)
{
    for_every_model(check_surplus);
}

/* ---- sizes of config.json --------------------------------------------------------------------------------
 */

typedef struct field {
    json_t *holder; /* an object, or a list */
    const char *key;
    size_t index;
    json_int_t value;
    const char *name; /* the key, of a list the list's */
} field;

typedef struct fields {
    int64_t count;
    field list[MOST_FIELDS];
} fields;

static void add_field(fields *f, field new, const json_t *value)
{
    const char *ids = strstr(new.name, "token_id");
    if (!json_is_integer(value) || ids || f->count == MOST_FIELDS) return;
    new.value = json_integer_value(value);
    f->list[f->count++] = new;
}

static void collect(fields *f, json_t *holder)
{
    const char *key;
    json_t *value, *item;
    size_t i;
    json_object_foreach(holder, key, value)
    {
        add_field(f, (field){.holder = holder, .key = key, .name = key}, value);
        if (json_is_object(value)) collect(f, value);
        if (!json_is_array(value)) continue;
        json_array_foreach(value, i, item)
        {
            if (json_is_object(item)) collect(f, item);
            if (i == 0) add_field(f, (field){.holder = value, .index = i, .name = key}, item);
        }
    }
}

static void put(const field *f, json_t *value)
{
    if (json_is_array(f->holder)) {
        (void)json_array_set_new(f->holder, f->index, value);
    } else {
        (void)json_object_set_new(f->holder, f->key, value);
    }
}

enum { DOUBLED, ONE_MORE, ZERO, NEGATIVE, HUGE_NUMBER, BEYOND_32_BITS, TEXT, CHANGES };

static json_t *changed(const field *f, int how)
{
    switch (how) {
    case DOUBLED: return json_integer(f->value * 2);
    case ONE_MORE: return json_integer(f->value + 1);
    case ZERO: return json_integer(0);
    case NEGATIVE: return json_integer(-1);
    case HUGE_NUMBER: return json_integer(INT64_MAX);
    case BEYOND_32_BITS: return json_integer(((json_int_t)1 << 32) + f->value);
    default: return json_string("many");
    }
}

/* The message names a field, in quotation marks, or a tensor. */
static bool says_where(const checkpoint *c, const char *text)
{
    static const char key_letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789HL";
    const char *at = strstr(text, "config.json: ");
    at = at ? strchr(at, '"') : NULL;
    if (at && strspn(at + 1, key_letters) > 2) return true;
    for (int64_t i = 0; i < c->count; i++) {
        if (strstr(text, c->tensors[i].name)) return true;
    }
    return strstr(text, "tensor ") != NULL;
}

static as_code take(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                    as_error *err)
{
    (void)feed, (void)first, (void)err;
    *(float *)context = logits[rows - 1];
    return AS_OK;
}

/* What could be loaded must compute: its numbers are another model's, but there is no crash. */
static void compute(const char *name, const char *what, as_model *model)
{
    int32_t tokens[TOKENS];
    int64_t sequence;
    float last;
    as_error err;
    as_session *session = NULL;
    as_session_options options = {.threads = 1, .cache_tokens = 64, .chunk = 7};
    for (int i = 0; i < TOKENS; i++) tokens[i] = i % (int32_t)as_model_facts(model)->vocab;
    as_feed feed = {.tokens = tokens, .count = TOKENS, .want = AS_LOGITS_LAST};
    as_code rc = as_session_open(model, &options, &session, &err);
    if (rc == AS_OK) rc = as_session_add(session, &sequence, &err);
    feed.sequence = sequence;
    if (rc == AS_OK) rc = as_session_forward(session, &feed, 1, take, &last, &err);
    if (rc != AS_OK && rc != AS_E_LIMIT && rc != AS_E_INPUT) complain(name, what, err.text);
    as_session_close(session);
}

static void write_config(const checkpoint *c)
{
    char path[512];
    as_buf text;
    as_error err;
    as_buf_init(&text, 0);
    as_json_write(c->config, 0, &text);
    snprintf(path, sizeof path, "%s/config.json", c->path);
    cr_assert_eq(as_file_write(path, as_buf_text(&text), text.size, &err), AS_OK, "%s", err.text);
    as_buf_free(&text);
}

static void check_change(const char *name, checkpoint *c, const field *f, int how)
{
    char what[160];
    as_model *model = NULL;
    as_error err;
    clock_t start = clock();
    put(f, changed(f, how));
    write_config(c);
    as_code rc = open_again(c, &model, &err);
    snprintf(what, sizeof what, "%s, change %d", f->name, how);
    if (rc == AS_OK) {
        compute(name, what, model);
        as_model_close(model);
    } else if (rc != AS_E_INPUT && rc != AS_E_UNSUPPORTED && rc != AS_E_LIMIT) {
        complain(name, what, err.text);
    } else if (!says_where(c, err.text)) {
        complain(name, what, err.text);
    }
    if ((double)(clock() - start) / CLOCKS_PER_SEC > MOST_SECONDS) complain(name, what, "takes too long");
    put(f, json_integer(f->value));
}

/* All changes for the first model of a family; for its kin, which have mostly the same fields, every third.
 */
static void check_sizes(const char *name, checkpoint *c)
{
    static char family[64];
    fields all = {0};
    size_t size = strcspn(name, "-");
    bool kin = size == strlen(family) && memcmp(name, family, size) == 0;
    snprintf(family, sizeof family, "%.*s", (int)size, name);
    collect(&all, c->config);
    for (int64_t i = 0; i < all.count; i++) {
        for (int how = 0; how < CHANGES; how++) {
            if (!kin || (i + how) % 3 == 0) check_change(name, c, &all.list[i], how);
        }
    }
}

Test(hostile, no_size_of_a_configuration_does_harm)
{
    for_every_model(check_sizes);
}
