/* What a configuration asks of a repository; see repository.h. */
#include "engine/needs.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/arch/arch.h"
#include "engine/model.h"

/* More than any published model by far: 61 layers of 384 experts are 70,000. */
enum { MOST_TENSORS = 400000 };

struct as_needs {
    as_model *model; /* its description, and the memory of the names */
    as_need *list;   /* by name once all are there */
    int64_t count, room, parameters;
};

static as_code grow(as_needs *needs, as_error *err)
{
    if (needs->count < needs->room) return AS_OK;
    if (needs->count >= MOST_TENSORS) {
        return as_fail(err, AS_E_LIMIT, "config.json asks for more than %d tensors", MOST_TENSORS);
    }
    int64_t room = needs->room ? needs->room * 2 : 256;
    as_need *list = as_realloc(needs->list, (size_t)room * sizeof *list);
    if (!list) return as_fail_memory(err, "the list of tensors");
    needs->list = list;
    needs->room = room;
    return AS_OK;
}

as_code as_needs_note(as_needs *needs, const as_need *need, as_error *err)
{
    int64_t elements = 1;
    for (int i = 0; i < need->dims; i++) {
        if (need->shape[i] < 0 || __builtin_mul_overflow(elements, need->shape[i], &elements)) {
            return as_fail(err, AS_E_INPUT, "config.json asks for %.200s of more than 2^63 elements",
                           need->name);
        }
    }
    AS_TRY(grow(needs, err));
    as_need *at = &needs->list[needs->count];
    *at = *need;
    at->name = as_arena_strdup(&needs->model->memory.arena, need->name);
    if (!at->name) return as_fail_memory(err, "the list of tensors");
    needs->count++;
    return AS_OK;
}

static int by_name(const void *a, const void *b)
{
    const as_need *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : x->optional - y->optional; /* needed by anyone is needed */
}

static as_code finish(as_needs *needs, as_error *err)
{
    int64_t kept = 0;
    qsort(needs->list, (size_t)needs->count, sizeof *needs->list, by_name);
    for (int64_t i = 0; i < needs->count; i++) {
        const as_need *need = &needs->list[i];
        if (kept && strcmp(needs->list[kept - 1].name, need->name) == 0) continue;
        int64_t elements = !need->optional;
        for (int d = 0; d < need->dims; d++) elements *= need->shape[d];
        if (__builtin_add_overflow(needs->parameters, elements, &needs->parameters)) {
            return as_fail(err, AS_E_INPUT, "config.json asks for more than 2^63 parameters");
        }
        needs->list[kept++] = *need;
    }
    needs->count = kept;
    return AS_OK;
}

static as_code fill(as_needs *needs, const as_repository *repo, const json_t *config, as_error *err)
{
    as_model *m = needs->model;
    as_binder *binder = NULL;
    as_binder_source source = {
        .repository = (as_repository *)repo, .counted = true, .needs = needs, .dtype = AS_F32};
    as_ternary_from_config(json_object_get(config, "quantization_config"), &source.ternary);
    AS_TRY(as_precision_parse(NULL, &m->precision, err));
    AS_TRY(as_spec_from_config(config, &m->spec, err));
    AS_TRY(as_binder_open(&source, &m->spec, &m->precision, NULL, &m->memory, &binder, err));
    as_code rc = as_model_bind(m, binder, err);
    as_binder_close(binder);
    return rc == AS_OK ? finish(needs, err) : rc;
}

as_code as_needs_open(const as_repository *repo, const json_t *config, as_needs **out, as_error *err)
{
    as_needs *needs = AS_NEW(as_needs);
    if (!needs || !(needs->model = AS_NEW(as_model))) {
        as_free(needs);
        return as_fail_memory(err, "the list of tensors");
    }
    as_arena_init(&needs->model->memory.arena, 0);
    as_code rc = fill(needs, repo, config, err);
    if (rc != AS_OK) {
        as_needs_close(needs);
        return rc;
    }
    *out = needs;
    return AS_OK;
}

void as_needs_close(as_needs *needs)
{
    if (!needs) return;
    as_model_close(needs->model);
    as_free(needs->list);
    as_free(needs);
}

int64_t as_needs_count(const as_needs *needs)
{
    return needs->count;
}

const as_need *as_needs_at(const as_needs *needs, int64_t i)
{
    return &needs->list[i];
}

int64_t as_needs_parameters(const as_needs *needs)
{
    return needs->parameters;
}

int64_t as_needs_vocab(const as_needs *needs)
{
    return needs->model->spec.vocab;
}

const as_need *as_needs_find(const as_needs *needs, const char *name)
{
    int64_t low = 0, high = needs->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = strcmp(needs->list[middle].name, name);
        if (order == 0) return &needs->list[middle];
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* Whether it has the shape with the last two dimensions in the other order. */
static bool same_turned(const as_need *need, const as_tensor *tensor)
{
    int last = need->dims - 1;
    for (int i = 0; i < last - 1; i++) {
        if (need->shape[i] != tensor->shape[i]) return false;
    }
    return need->shape[last] == tensor->shape[last - 1] && need->shape[last - 1] == tensor->shape[last];
}

bool as_need_fits(const as_need *need, const as_tensor *tensor)
{
    int64_t elements = 1;
    for (int i = 0; i < need->dims; i++) elements *= need->shape[i];
    if (need->any_shape) return tensor->elements == elements;
    bool flat = need->dims == 3 && tensor->dims == 2; /* a stack as one matrix */
    if (flat) return tensor->elements == elements && tensor->shape[1] == need->shape[2];
    if (tensor->dims != need->dims) return false;
    if (need->either_order && same_turned(need, tensor)) return true;
    if (need->longer && need->dims == 3 && tensor->shape[0] > need->shape[0]) {
        return memcmp(tensor->shape + 1, need->shape + 1, 2 * sizeof need->shape[0]) == 0;
    }
    return memcmp(tensor->shape, need->shape, (size_t)need->dims * sizeof need->shape[0]) == 0;
}

bool as_needs_ignores(const as_needs *needs, const char *name)
{
    return as_spec_ignores(&needs->model->spec, name);
}
