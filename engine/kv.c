/* The paged cache; see kv.h. */
#include "engine/kv.h"

#include <string.h>

#include "base/mem.h"

/* count units of `size` bytes; the product is checked, since a configuration may ask for anything. */
static void *take(as_kv *kv, int64_t count, int64_t unit, int64_t size)
{
    int64_t bytes;
    if (__builtin_mul_overflow(count, unit, &bytes) || __builtin_mul_overflow(bytes, size, &bytes))
        return NULL;
    void *at = as_model_memory_take(&kv->memory, bytes, 1);
    if (at) kv->bytes += bytes;
    return at;
}

/* A cache of the width; without memory of its own for values where they stand in the keys. One that holds a
 * key of several tokens fills the first of a sequence's pages: what is never written takes no memory. */
static as_code open_cache(as_kv *kv, const as_kv_layer *form, bool values, as_kv_layer *out, as_error *err)
{
    int64_t unit = form->kv_heads * AS_PAGE_TOKENS * as_dtype_bytes(form->dtype);
    *out = *form;
    out->k = take(kv, kv->pages, unit, form->k_width);
    out->v = values ? take(kv, kv->pages, unit, form->v_width) : out->k;
    return out->k && out->v ? AS_OK : as_fail_memory(err, "the key/value cache");
}

static as_code open_step(as_kv *kv, const as_block_needs *needs, as_dtype dtype, as_step_memory *step,
                         as_error *err)
{
    if (needs->kv_heads) {
        as_kv_layer form = {.dtype = dtype,
                            .kv_heads = needs->kv_heads,
                            .k_width = needs->k_width,
                            .v_width = needs->v_width};
        AS_TRY(open_cache(kv, &form, !needs->values_in_keys, &step->cache, err));
    }
    if (needs->index_width) {
        as_kv_layer form = {.dtype = dtype, .kv_heads = 1, .k_width = needs->index_width};
        AS_TRY(open_cache(kv, &form, false, &step->index, err));
    }
    if (needs->entry_width) {
        as_kv_layer form = {
            .dtype = dtype, .kv_heads = 1, .k_width = needs->entry_width, .v_width = needs->entry_width};
        AS_TRY(open_cache(kv, &form, false, &step->entries, err));
    }
    for (int p = 0; p < AS_MAX_STATES; p++) {
        if (!needs->state[p]) continue;
        step->state_size[p] = needs->state[p];
        step->state[p] = take(kv, kv->sequence_count, needs->state[p], sizeof(float));
        if (!step->state[p]) return as_fail_memory(err, "the recurrent states");
    }
    return AS_OK;
}

static as_code open_tables(as_kv *kv, as_error *err)
{
    as_arena *arena = &kv->memory.arena;
    kv->free_pages = AS_ARENA_NEW_ARRAY(arena, int32_t, kv->pages);
    kv->sequences = AS_ARENA_NEW_ARRAY(arena, as_sequence, kv->sequence_count);
    kv->layers = AS_ARENA_NEW_ARRAY(arena, as_layer_memory, kv->layer_count);
    /* Any sequence may come to hold all pages; the tables take memory only where they are written. */
    int32_t *tables = take(kv, kv->sequence_count, kv->pages, sizeof *tables);
    if (!kv->free_pages || !kv->sequences || !kv->layers || !tables) {
        return as_fail_memory(err, "the cache's tables");
    }
    for (int64_t i = 0; i < kv->sequence_count; i++) kv->sequences[i].pages = tables + i * kv->pages;
    for (int64_t i = 0; i < kv->pages; i++) kv->free_pages[i] = (int32_t)(kv->pages - 1 - i);
    kv->free_count = kv->pages;
    return AS_OK;
}

as_code as_kv_open(as_kv *kv, const as_model_spec *spec, as_dtype dtype, int64_t tokens, int64_t sequences,
                   as_error *err)
{
    /* Each sequence may leave its last page partly empty. */
    *kv = (as_kv){.pages = (tokens + AS_PAGE_TOKENS - 1) / AS_PAGE_TOKENS + sequences - 1,
                  .sequence_count = sequences,
                  .layer_count = spec->layer_count};
    as_arena_init(&kv->memory.arena, 0);
    as_code rc = open_tables(kv, err);
    for (int64_t i = 0; rc == AS_OK && i < spec->layer_count; i++) {
        for (int s = 0; rc == AS_OK && s < spec->layers[i].step_count; s++) {
            const as_step *step = &spec->layers[i].steps[s];
            as_block_needs needs = step->block->needs(spec, step);
            rc = open_step(kv, &needs, dtype, &kv->layers[i].steps[s], err);
        }
    }
    if (rc != AS_OK) as_kv_close(kv);
    return rc;
}

void as_kv_close(as_kv *kv)
{
    as_model_memory_free(&kv->memory);
    *kv = (as_kv){0};
}

static void clear_states(as_kv *kv, int64_t sequence)
{
    for (int64_t i = 0; i < kv->layer_count; i++) {
        for (int s = 0; s < AS_MAX_STEPS; s++) {
            as_step_memory *step = &kv->layers[i].steps[s];
            for (int p = 0; p < AS_MAX_STATES; p++) {
                int64_t size = step->state_size[p];
                if (size) memset(step->state[p] + sequence * size, 0, (size_t)size * sizeof(float));
            }
        }
    }
}

int64_t as_kv_add(as_kv *kv)
{
    for (int64_t i = 0; i < kv->sequence_count; i++) {
        as_sequence *seq = &kv->sequences[i];
        if (seq->active) continue;
        seq->active = true;
        seq->length = 0;
        seq->page_count = 0;
        clear_states(kv, i);
        return i;
    }
    return -1;
}

void as_kv_drop(as_kv *kv, int64_t sequence)
{
    as_sequence *seq = &kv->sequences[sequence];
    AS_BUG(!seq->active);
    while (seq->page_count) kv->free_pages[kv->free_count++] = seq->pages[--seq->page_count];
    seq->active = false;
}

int64_t as_kv_pages_needed(const as_kv *kv, int64_t sequence, int64_t more)
{
    const as_sequence *seq = &kv->sequences[sequence];
    return (seq->length + more + AS_PAGE_TOKENS - 1) / AS_PAGE_TOKENS - seq->page_count;
}

void as_kv_grow(as_kv *kv, int64_t sequence, int64_t more)
{
    as_sequence *seq = &kv->sequences[sequence];
    int64_t count = as_kv_pages_needed(kv, sequence, more);
    AS_BUG(count > kv->free_count);
    for (int64_t i = 0; i < count; i++) seq->pages[seq->page_count++] = kv->free_pages[--kv->free_count];
}
