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
static as_code open_cache(as_kv *kv, int64_t pages, const as_kv_layer *form, bool values, as_kv_layer *out,
                          as_error *err)
{
    int64_t unit = form->kv_heads * AS_PAGE_TOKENS * as_dtype_bytes(form->dtype);
    *out = *form;
    out->k = take(kv, pages, unit, form->k_width);
    out->v = values ? take(kv, pages, unit, form->v_width) : out->k;
    return out->k && out->v ? AS_OK : as_fail_memory(err, "the key/value cache");
}

static as_code open_step(as_kv *kv, const as_block_needs *needs, as_dtype dtype, as_step_memory *step,
                         as_error *err)
{
    int64_t pages = kv->pools[step->pool].pages;
    if (needs->kv_heads) {
        as_kv_layer form = {.dtype = dtype,
                            .kv_heads = needs->kv_heads,
                            .k_width = needs->k_width,
                            .v_width = needs->v_width};
        AS_TRY(open_cache(kv, pages, &form, !needs->values_in_keys, &step->cache, err));
    }
    if (needs->index_width) {
        as_kv_layer form = {.dtype = dtype, .kv_heads = 1, .k_width = needs->index_width};
        AS_TRY(open_cache(kv, pages, &form, false, &step->index, err));
    }
    if (needs->entry_width) {
        as_kv_layer form = {
            .dtype = dtype, .kv_heads = 1, .k_width = needs->entry_width, .v_width = needs->entry_width};
        AS_TRY(open_cache(kv, pages, &form, false, &step->entries, err));
    }
    for (int p = 0; p < AS_MAX_STATES; p++) {
        if (!needs->state[p]) continue;
        step->state_size[p] = needs->state[p];
        step->state[p] = take(kv, kv->sequence_count, needs->state[p], sizeof(float));
        if (!step->state[p]) return as_fail_memory(err, "the recurrent states");
    }
    return AS_OK;
}

/* ---- pools -----------------------------------------------------------------------------------------------
 */

static int64_t pages_of(int64_t tokens)
{
    return tokens / AS_PAGE_TOKENS + (tokens % AS_PAGE_TOKENS != 0);
}

static int64_t widest(int64_t one, int64_t other)
{
    return one == 0 || other == 0 ? 0 : one > other ? one : other;
}

static int64_t own_window(const as_model_spec *spec, const as_step *step)
{
    as_block_needs needs = as_step_needs(spec, step);
    if (as_block_entry_width(&needs)) return 0; /* its other caches are read from the begin */
    as_block_cost cost = step->block->cost(spec, step);
    return cost.window ? cost.window : cost.chunk;
}

int64_t as_kv_window(const as_model_spec *spec, int64_t layer, int step)
{
    int64_t window = own_window(spec, &spec->layers[layer].steps[step]);
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) {
            const as_step *reader = &spec->layers[i].steps[s];
            if (reader->cache_layer != layer + 1 || s + reader->cache_shift != step) continue;
            window = widest(window, own_window(spec, reader));
        }
    }
    return window;
}

/* Pages that hold a window wherever it begins, and the rows of a pass behind it, which end anywhere. */
static int64_t window_pages(int64_t window, int64_t sequences, int64_t rows)
{
    int64_t each = pages_of(window) + 2, all;
    if (__builtin_mul_overflow(each, sequences, &all)) return INT64_MAX;
    return __builtin_add_overflow(all, pages_of(rows), &all) ? INT64_MAX : all;
}

int64_t as_kv_held_tokens(int64_t window, int64_t tokens, int64_t sequences, int64_t rows)
{
    int64_t all = tokens * sequences;
    int64_t pages = window ? window_pages(window, sequences, rows) : INT64_MAX;
    return pages < pages_of(all) ? pages * AS_PAGE_TOKENS : all;
}

/* The pool of a window, which is new where none has it yet. Where it would save nothing, or there are too
 * many windows, pages are those of whole sequences. */
static int choose_pool(as_kv *kv, int64_t window, const as_kv_size *size)
{
    for (int i = 0; i < kv->pool_count; i++) {
        if (kv->pools[i].window == window) return i;
    }
    int64_t pages = window_pages(window, size->sequences, size->rows);
    if (pages >= kv->pools[AS_WHOLE_SEQUENCES].pages || kv->pool_count == AS_MAX_PAGE_POOLS) {
        return AS_WHOLE_SEQUENCES;
    }
    kv->pools[kv->pool_count] = (as_page_pool){.window = window, .pages = pages};
    return kv->pool_count++;
}

static void choose_pools(as_kv *kv, const as_model_spec *spec, const as_kv_size *size)
{
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) {
            const as_step *step = &spec->layers[i].steps[s];
            if (!as_step_needs(spec, step).kv_heads) continue;
            kv->layers[i].steps[s].pool = choose_pool(kv, as_kv_window(spec, i, s), size);
        }
    }
}

static as_code open_pool(as_kv *kv, int which, int64_t whole, as_error *err)
{
    as_page_pool *pool = &kv->pools[which];
    pool->free_pages = AS_ARENA_NEW_ARRAY(&kv->memory.arena, int32_t, pool->pages);
    /* Tables have an entry for every page of a sequence's length, and any sequence may come to hold all; they
     * take memory only where they are written. */
    int32_t *tables = take(kv, kv->sequence_count, whole, sizeof *tables);
    if (!pool->free_pages || !tables) return as_fail_memory(err, "the cache's tables");
    for (int64_t i = 0; i < kv->sequence_count; i++) {
        kv->sequences[i].tables[which].pages = tables + i * whole;
    }
    for (int64_t i = 0; i < pool->pages; i++) pool->free_pages[i] = (int32_t)(pool->pages - 1 - i);
    pool->free_count = pool->pages;
    return AS_OK;
}

static as_code open_tables(as_kv *kv, const as_model_spec *spec, const as_kv_size *size, as_error *err)
{
    as_arena *arena = &kv->memory.arena;
    kv->sequences = AS_ARENA_NEW_ARRAY(arena, as_sequence, kv->sequence_count);
    kv->layers = AS_ARENA_NEW_ARRAY(arena, as_layer_memory, kv->layer_count);
    if (!kv->sequences || !kv->layers) return as_fail_memory(err, "the cache's tables");
    choose_pools(kv, spec, size);
    as_code rc = AS_OK;
    for (int i = 0; rc == AS_OK && i < kv->pool_count; i++) rc = open_pool(kv, i, kv->pools[0].pages, err);
    return rc;
}

as_code as_kv_open(as_kv *kv, const as_model_spec *spec, as_dtype dtype, const as_kv_size *size,
                   as_error *err)
{
    *kv = (as_kv){.pool_count = 1, .sequence_count = size->sequences, .layer_count = spec->layer_count};
    /* Each sequence may leave its last page partly empty. */
    kv->pools[AS_WHOLE_SEQUENCES].pages = pages_of(size->tokens) + size->sequences - 1;
    as_arena_init(&kv->memory.arena, 0);
    as_code rc = open_tables(kv, spec, size, err);
    for (int64_t i = 0; rc == AS_OK && i < spec->layer_count; i++) {
        for (int s = 0; rc == AS_OK && s < spec->layers[i].step_count; s++) {
            const as_step *step = &spec->layers[i].steps[s];
            as_block_needs needs = as_step_needs(spec, step);
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
        seq->length = seq->skipped = 0;
        for (int p = 0; p < kv->pool_count; p++) seq->tables[p].first = seq->tables[p].count = 0;
        clear_states(kv, i);
        return i;
    }
    return -1;
}

/* Gives the pages before entry `end` back. */
static void give_back(as_page_pool *pool, as_page_table *table, int64_t end)
{
    for (; table->first < end && table->first < table->count; table->first++) {
        pool->free_pages[pool->free_count++] = table->pages[table->first];
        table->pages[table->first] = -1;
    }
}

/* Takes pages up to entry `end`. */
static void take_pages(as_page_pool *pool, as_page_table *table, int64_t end)
{
    AS_BUG(end - table->count > pool->free_count);
    while (table->count < end) table->pages[table->count++] = pool->free_pages[--pool->free_count];
}

void as_kv_drop(as_kv *kv, int64_t sequence)
{
    as_sequence *seq = &kv->sequences[sequence];
    AS_BUG(!seq->active);
    for (int p = 0; p < kv->pool_count; p++) give_back(&kv->pools[p], &seq->tables[p], seq->tables[p].count);
    seq->active = false;
}

int64_t as_kv_pages_needed(const as_kv *kv, int64_t sequence, int64_t more)
{
    const as_sequence *seq = &kv->sequences[sequence];
    return pages_of(seq->length + more) - seq->tables[AS_WHOLE_SEQUENCES].count;
}

void as_kv_grow(as_kv *kv, int64_t sequence, int64_t more)
{
    as_sequence *seq = &kv->sequences[sequence];
    take_pages(&kv->pools[AS_WHOLE_SEQUENCES], &seq->tables[AS_WHOLE_SEQUENCES],
               pages_of(seq->length + more));
}

void as_kv_begin_pass(as_kv *kv, int64_t sequence, int64_t rows)
{
    as_sequence *seq = &kv->sequences[sequence];
    for (int p = 1; p < kv->pool_count; p++) {
        take_pages(&kv->pools[p], &seq->tables[p], pages_of(seq->length + rows));
    }
}

void as_kv_end_pass(as_kv *kv, int64_t sequence)
{
    as_sequence *seq = &kv->sequences[sequence];
    for (int p = 1; p < kv->pool_count; p++) {
        int64_t least = seq->length - kv->pools[p].window + 1; /* the first key that the next row reads */
        if (least > 0) give_back(&kv->pools[p], &seq->tables[p], least / AS_PAGE_TOKENS);
    }
}
