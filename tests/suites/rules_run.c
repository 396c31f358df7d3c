/* See rules_run.h. */
#include "rules_run.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "suites/catalog.h"
#include "suites/profile.h"

static as_code record(as_suite_context *context, const as_check *check, as_error *err)
{
    return as_result_add_check(context->suite, check, err);
}

static void progress(as_suite_context *context, int64_t done, int64_t total, const char *phrase)
{
    cr_assert(context && done < total && phrase);
}

static bool cancelled(const as_suite_context *context)
{
    return context == NULL;
}

/* Loaded once in a test's process. */
static const json_t *the_catalog(void)
{
    static json_t *catalog;
    as_error err;
    if (!catalog) cr_assert_eq(as_catalog_load(&catalog, &err), AS_OK, "%s", err.text);
    return catalog;
}

json_t *try_rules(const char *profile, const char *path, as_target *target, uint64_t n, as_code *rc)
{
    as_error err;
    json_t *rules = NULL, *result = as_result_new();
    const json_t *catalog = the_catalog();
    as_repository *repo = NULL;
    cr_assert_eq(as_profile_load(profile, &rules, &err), AS_OK, "%s", err.text);
    if (path) cr_assert_eq(as_repository_open(path, &repo, &err), AS_OK, "%s", err.text);
    as_suite_context context = {.repository = repo,
                                .target = target,
                                .profile = rules,
                                .catalog = catalog,
                                .suite = as_result_suite(result, "rules"),
                                .record = record,
                                .progress = progress,
                                .cancelled = cancelled};
    const as_suite *suite = as_suite_find("rules");
    cr_assert(suite->estimate(&context) >= 0);
    as_alloc_fail_after(n);
    *rc = suite->run(&context, &err);
    as_alloc_fail_after(0);
    (void)as_result_conclude(result);
    cr_assert_eq(as_result_validate(result, "result", &err), AS_OK, "%s", err.text);
    as_repository_close(repo);
    json_decref(rules);
    if (*rc == AS_OK) return result;
    json_decref(result);
    return NULL;
}

json_t *run_rules(const char *profile, const char *path, as_target *target)
{
    as_code rc;
    json_t *result = try_rules(profile, path, target, 0, &rc);
    cr_assert_eq(rc, AS_OK, "%s: %s", path, as_code_name(rc));
    return result;
}

const char *failures(const json_t *result, char room[static 1024])
{
    size_t i;
    json_t *check;
    const json_t *suite = json_array_get(json_object_get(result, "suites"), 0);
    room[0] = 0;
    json_array_foreach(json_object_get(suite, "checks"), i, check)
    {
        const char *verdict = json_string_value(json_object_get(check, "verdict"));
        if (strcmp(verdict, "fail") != 0 && strcmp(verdict, "error") != 0) continue;
        size_t used = strlen(room);
        snprintf(room + used, 1024 - used, "%s%s", used ? " " : "",
                 json_string_value(json_object_get(check, "id")));
    }
    return room;
}

const char *verdict_of(const json_t *result, const char *id)
{
    const char *verdict = json_string_value(json_object_get(as_result_find_check(result, id), "verdict"));
    return verdict ? verdict : "";
}

/* Repositories of real dimensions. */

static json_t *config_of(const json_t *model, const big_repo *big)
{
    static const char *const keys[][2] = {
        {"layers", "num_hidden_layers"},
        {"hidden", "hidden_size"},
        {"heads", "num_attention_heads"},
        {"kv_heads", "num_key_value_heads"},
        {"head_dim", "head_dim"},
        {"intermediate", "intermediate_size"},
        {"vocab", "vocab_size"},
        {"tie_embeddings", "tie_word_embeddings"},
        {"rope_theta", "rope_theta"},
        {"rope_scaling", "rope_scaling"},
        {"sliding_window", "sliding_window"},
        {"native_context", "max_position_embeddings"},
    };
    json_t *config = json_pack("{s:[s],s:s,s:s}", "architectures", big->architecture, "model_type",
                               big->model_type, "torch_dtype", "bfloat16");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        (void)json_object_set(config, keys[i][1], json_object_get(model, keys[i][0]));
    }
    if (json_object_get(model, "mla")) { /* more dimensions than these */
        as_error err;
        json_t *whole = NULL;
        int64_t layers = json_integer_value(json_object_get(model, "layers"));
        cr_assert_eq(as_catalog_model_config(the_catalog(), model, layers, &whole, &err), AS_OK, "%s",
                     err.text);
        (void)json_object_update(config, whole);
        json_decref(whole);
    }
    if (big->config) big->config(config);
    return config;
}

static void write_file(const char *folder, const char *name, const char *text, size_t size)
{
    char path[AS_PATH_MAX];
    as_error err;
    cr_assert_eq(as_path_join(path, folder, name, &err), AS_OK);
    cr_assert_eq(as_file_write(path, text, size, &err), AS_OK, "%s", err.text);
}

static void write_weights(const char *folder, const big_repo *big, const as_needs *needs)
{
    const char *dtype = big->dtype ? big->dtype : "F16";
    uint64_t at = 0, bytes = strcmp(dtype, "F32") == 0 ? 4 : strncmp(dtype, "F8", 2) == 0 ? 1 : 2;
    as_buf header;
    as_buf_init(&header, 0);
    as_buf_str(&header, "{");
    for (int64_t i = 0; i < as_needs_count(needs); i++) {
        as_need t = *as_needs_at(needs, i);
        if (t.optional) continue;
        if (big->tensor) big->tensor(t.name, t.shape, &t.dims);
        if (t.dims < 0) continue;
        uint64_t size = bytes;
        as_buf_printf(&header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", at ? "," : "", t.name, dtype);
        for (int d = 0; d < t.dims; d++) {
            as_buf_printf(&header, "%s%" PRId64, d ? "," : "", t.shape[d]);
            size *= (uint64_t)t.shape[d];
        }
        as_buf_printf(&header, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", at, at + size);
        at += size;
    }
    as_buf_str(&header, "}");
    char path[AS_PATH_MAX];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    uint64_t length = header.size; /* little-endian, as all machines of this project */
    cr_assert(write(fd, &length, 8) == 8 && write(fd, header.data, header.size) == (ssize_t)header.size);
    cr_assert_eq(ftruncate(fd, (off_t)(8 + header.size + at)), 0);
    close(fd);
    as_buf_free(&header);
}

void make_big_repo(const char *folder, const big_repo *big)
{
    static const char tokenizer[] = "{\"model\":{\"vocab\":{\"a\":0,\"b\":31999}}}";
    as_error err;
    as_needs *needs = NULL;
    const json_t *model = as_catalog_model(the_catalog(), big->base);
    cr_assert_not_null(model, "%s", big->base);
    json_t *config = config_of(model, big);
    cr_assert_eq(as_needs_open(NULL, config, &needs, &err), AS_OK, "%s", err.text);
    char *text = json_dumps(config, 0);
    write_file(folder, "config.json", text, strlen(text));
    write_file(folder, "README.md", "# A model\n", 10);
    write_file(folder, "tokenizer.json", tokenizer, sizeof tokenizer - 1);
    write_weights(folder, big, needs);
    free(text);
    as_needs_close(needs);
    json_decref(config);
}
