/* The fixture models; see golden.h. */
#include "tests/engine/golden.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

void golden_list(char ***names, size_t *count)
{
    char **all = NULL;
    size_t found = 0, kept = 0;
    as_error err;
    cr_assert_eq(as_dir_list("fixtures/models", &all, &found, &err), AS_OK, "%s", err.text);
    for (size_t i = 0; i < found; i++) {
        char path[512];
        snprintf(path, sizeof path, "fixtures/models/%s/golden.safetensors", all[i]);
        if (as_file_exists(path)) {
            all[kept++] = all[i];
        } else {
            as_free(all[i]);
        }
    }
    cr_assert_gt(kept, 20, "only %zu fixture models", kept);
    *names = all;
    *count = kept;
}

static const as_weight_file *golden_file(const golden *g)
{
    for (int64_t i = 0; i < g->repository->weight_count; i++) {
        if (strcmp(g->repository->weights[i].name, "golden.safetensors") == 0)
            return &g->repository->weights[i];
    }
    cr_assert_fail("%s has no golden.safetensors", g->name);
    return NULL;
}

static const void *find(const golden *g, const char *name, int64_t *elements)
{
    const as_weight_file *file = golden_file(g);
    for (int64_t i = 0; i < file->tensor_count; i++) {
        if (strcmp(file->tensors[i].name, name) != 0) continue;
        const void *data;
        as_error err;
        cr_assert_eq(as_repository_data(g->repository, &file->tensors[i], &data, &err), AS_OK, "%s",
                     err.text);
        *elements = file->tensors[i].elements;
        return data;
    }
    return NULL;
}

static bool has_layer_stages(const golden *g)
{
    static const char *const parts[] = {"stage.0.mixer", "stage.0.ffn", "stage.0.out"};
    bool any = false;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int64_t elements;
        any |= find(g, parts[i], &elements) != NULL;
    }
    return any;
}

void golden_open(const char *name, golden *out)
{
    golden g = {.repository = NULL};
    as_error err;
    snprintf(g.name, sizeof g.name, "%s", name);
    snprintf(g.path, sizeof g.path, "fixtures/models/%s", name);
    cr_assert_eq(as_repository_open(g.path, &g.repository, &err), AS_OK, "%s", err.text);
    int64_t elements = 0;
    g.tokens = find(&g, "tokens", &g.count);
    g.greedy = find(&g, "greedy", &g.greedy_count);
    g.logits = find(&g, "logits", &elements);
    cr_assert(g.tokens && g.greedy && g.logits, "%s lacks a part of its trace", name);
    g.vocab = elements / g.count;
    g.layer_stages = has_layer_stages(&g);
    *out = g;
}

void golden_close(golden *g)
{
    as_repository_close(g->repository);
}

const float *golden_stage(const golden *g, const char *stage, int64_t *elements)
{
    char name[80];
    snprintf(name, sizeof name, "stage.%s", stage);
    return find(g, name, elements);
}

as_model *golden_model(const golden *g, const char *dtype, const char *level)
{
    as_model *model;
    as_error err;
    as_model_options options = {.dtype = dtype, .level = level, .threads = 1, .without_tokenizer = true};
    as_code rc = as_model_open(g->path, &options, &model, &err);
    cr_assert_eq(rc, AS_OK, "%s", err.text);
    return model;
}

static as_code store(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                     as_error *err)
{
    (void)feed, (void)err;
    float *const *out = context;
    int64_t vocab = *(const int64_t *)(out + 1);
    memcpy(*out + first * vocab, logits, (size_t)(rows * vocab) * sizeof *logits);
    return AS_OK;
}

float *golden_compute(const as_model *model, const int32_t *tokens, int64_t count, int64_t chunk, int threads)
{
    struct {
        float *out;
        int64_t vocab;
    } target = {.vocab = as_model_facts(model)->vocab};
    as_session_options options = {.threads = threads, .cache_tokens = count, .chunk = chunk};
    as_session *session;
    as_error err;
    int64_t sequence;
    target.out = as_alloc((size_t)(count * target.vocab) * sizeof(float));
    cr_assert_eq(as_session_open(model, &options, &session, &err), AS_OK, "%s", err.text);
    cr_assert_eq(as_session_add(session, &sequence, &err), AS_OK);
    as_feed feed = {.sequence = sequence, .tokens = tokens, .count = count, .want = AS_LOGITS_ALL};
    as_code rc = as_session_forward(session, &feed, 1, store, &target, &err);
    cr_assert_eq(rc, AS_OK, "%s", err.text);
    as_session_close(session);
    return target.out;
}
