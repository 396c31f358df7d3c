/* Keys of several tokens; see pool.h. */
#include "engine/blocks/pool.h"

#include <string.h>

as_span *as_pass_pool_spans(as_pass *pass, int64_t every)
{
    int64_t first = 0;
    as_span *out = (as_span *)(void *)as_pass_floats(pass, pass->span_count * as_pass_pool_span_needs());
    for (int64_t i = 0; i < pass->span_count; i++) {
        const as_span *span = &pass->spans[i];
        int64_t had = span->position / every, has = (span->position + span->count) / every;
        out[i] = *span;
        out[i].first = first;
        out[i].position = had;
        out[i].count = has - had;
        first += has - had;
    }
    return out;
}

void as_pass_gather_pools(const as_pass *pass, int64_t every, int64_t width, float *rows)
{
    int64_t to = 0;
    for (int64_t i = 0; i < pass->span_count; i++) {
        const as_span *span = &pass->spans[i];
        for (int64_t r = every - 1 - span->position % every; r < span->count; r += every, to++) {
            memmove(rows + to * width, rows + (span->first + r) * width, (size_t)width * sizeof *rows);
        }
    }
}

/* The keys of one row that sees `seen` tokens. */
static void expand(const int32_t *pools, int64_t top, int64_t every, int64_t seen, bool tail, int32_t *keys)
{
    int64_t count = 0, width = top * every + every - 1;
    for (int64_t p = 0; p < top && pools[p] != AS_NO_KEY; p++) {
        for (int64_t t = 0; t < every; t++) keys[count++] = (int32_t)(pools[p] * every + t);
    }
    for (int64_t t = seen / every * every; tail && t < seen; t++) keys[count++] = (int32_t)t;
    while (count < width) keys[count++] = AS_NO_KEY;
}

void as_pass_pool_tokens(const as_pass *pass, const int32_t *pools, int64_t top, int64_t every, bool tail,
                         int32_t *keys, int64_t key_stride)
{
    for (int64_t i = 0; i < pass->span_count; i++) {
        const as_span *span = &pass->spans[i];
        for (int64_t r = span->first; r < span->first + span->count; r++) {
            int64_t seen = span->position + r - span->first + 1;
            expand(pools + r * top, top, every, seen, tail, keys + r * key_stride);
        }
    }
}
