/* Attention over the paged cache.
 *
 * The keys are divided by absolute position into pages (AS_PAGE_TOKENS) and parts (PART_TOKENS). In a part, a
 * query takes its pages in ascending order with a running maximum; the parts' sums are then merged in
 * ascending order, and the sink last. Prefill walks the parts of a tile of queries one after the other;
 * decoding over a long context may give them to different workers: the order of sums is the same. */
#include "kernels/cpu/vec/attention_page.h"
#include "kernels/cpu/vec/ops.h"

enum {
    PART_TOKENS = 1024,
    PART_PAGES = PART_TOKENS / PAGE,
    SHARED_BYTES = 1 << 20, /* of each worker's scratch, at its end: sums of parts, for all workers */
};

/* The division of one call: tiles of rows and heads for each span and key/value head. */
typedef struct plan {
    const as_exec *exec;
    const as_attention_args *args;
    int64_t group, heads, head_tiles; /* query heads per key/value head, per tile; tiles of heads */
    int64_t rows;                     /* rows per tile */
    int64_t v_pad, tiles;
    int64_t parts;       /* parts that each tile is given to workers in; 1: whole */
    int64_t slot_floats; /* room for the sums of one part */
} plan;

static int64_t tiles_of(const plan *p, const as_span *span)
{
    return as_ceil_div(span->count, p->rows) * p->args->cache->kv_heads * p->head_tiles;
}

/* Gives the arrays of a tile their places in scratch; returns what follows. */
static float *place_sums(sums *s, float *at, int64_t queries, int64_t v_pad)
{
    s->largest = at;
    s->total = s->largest + as_ceil_div(queries, LANES) * LANES;
    s->out = s->total + queries * LANES;
    return s->out + queries * v_pad;
}

static int64_t sums_floats(int64_t queries, int64_t v_pad)
{
    return as_ceil_div(queries, LANES) * LANES + queries * (LANES + v_pad);
}

static void clear_sums(const sums *s, const query_tile *t)
{
    for (int64_t i = 0; i < t->queries; i++) s->largest[i] = -INFINITY;
    memset(s->total, 0, (size_t)(t->queries * LANES) * sizeof(float));
    memset(s->out, 0, (size_t)(t->queries * t->v_pad) * sizeof(float));
}

/* Tile number `index` of the call, its queries copied to scratch. The last tiles come first: under a causal
 * mask they take longest. */
static query_tile tile_at(const plan *p, int64_t index, float **room)
{
    const as_attention_args *a = p->args;
    const as_span *span = a->spans;
    index = p->tiles - 1 - index;
    for (; index >= tiles_of(p, span); span++) index -= tiles_of(p, span);
    int64_t per_rows = a->cache->kv_heads * p->head_tiles, within = index % per_rows;
    query_tile t = {.args = a, .span = span, .kv_head = within / p->head_tiles, .v_pad = p->v_pad};
    int64_t head_in_group = within % p->head_tiles * p->heads;
    t.head = t.kv_head * p->group + head_in_group;
    t.heads = as_min_i64(p->heads, p->group - head_in_group);
    t.row = index / per_rows * p->rows;
    t.rows = as_min_i64(p->rows, span->count - t.row);
    t.queries = t.heads * t.rows;
    int64_t k_width = a->cache->k_width;
    t.keys = *room;
    t.values = t.keys + k_width * PAGE;
    t.scores = t.values + PAGE * t.v_pad;
    t.q = t.scores + MAX_QUERIES * PAGE;
    t.fade = t.q + as_ceil_div(t.queries * k_width, LANES) * LANES;
    t.seen = t.fade + MAX_QUERIES;
    t.added = t.seen + PAGE;
    *room = t.added + PAGE;
    for (int64_t r = 0; r < t.rows; r++) {
        const float *q = a->q + (span->first + t.row + r) * a->q_stride + t.head * k_width;
        memcpy(t.q + r * t.heads * k_width, q, (size_t)(t.heads * k_width) * sizeof(float));
    }
    return t;
}

/* Keys that any query of the tile sees: from low on, below high. */
static int64_t tile_low(const query_tile *t)
{
    return first_key(t->args, position_of(t, 0));
}

static int64_t tile_high(const query_tile *t)
{
    return position_of(t, t->rows - 1) + 1;
}

/* The sums of the tile over part number `part`. */
static void attend_part(query_tile *t, int64_t part, const sums *s)
{
    int64_t low = as_max_i64(tile_low(t), part * PART_TOKENS);
    int64_t high = as_min_i64(tile_high(t), (part + 1) * PART_TOKENS);
    clear_sums(s, t);
    for (int64_t page = low / PAGE; page * PAGE < high; page++) {
        if (!page_is_seen(t, page)) continue;
        int64_t first = as_max_i64(0, low - page * PAGE), end = as_min_i64(PAGE, high - page * PAGE);
        int64_t next = (page + 1) * PAGE < tile_high(t) ? page + 1 : -1;
        load_page(t, page, next, first, end);
        attend_page(t, page, first, end, s);
    }
}

/* Adds the sums of one part to the whole. Nothing is done for a query that saw no key in the part. */
static void merge(const query_tile *t, const sums *whole, const sums *part, int64_t number)
{
    for (int64_t i = 0; i < t->queries; i++) {
        int64_t position = position_of(t, i / t->heads);
        int64_t low = first_key(t->args, position);
        if (low >= (number + 1) * PART_TOKENS || position < number * PART_TOKENS) continue;
        float now = whole->largest[i] > part->largest[i] ? whole->largest[i] : part->largest[i];
        float base = now == -INFINITY ? 0 : now;
        vf ours = vf_set(exp_of(whole->largest[i] - base)), theirs = vf_set(exp_of(part->largest[i] - base));
        whole->largest[i] = now;
        float *total = whole->total + i * LANES, *out = whole->out + i * t->v_pad;
        const float *more = part->total + i * LANES, *out_more = part->out + i * t->v_pad;
        vf_store(total, vf_fma(vf_load(more), theirs, vf_mul(vf_load(total), ours)));
        for (int64_t c = 0; c < t->v_pad; c += LANES) {
            vf_store(out + c, vf_fma(vf_load(out_more + c), theirs, vf_mul(vf_load(out + c), ours)));
        }
    }
}

/* Divides by the sum of exponentials and writes the rows. */
static void finish(const query_tile *t, const sums *whole)
{
    const as_attention_args *a = t->args;
    int64_t width = a->cache->v_width;
    for (int64_t i = 0; i < t->queries; i++) {
        int64_t head = t->head + i % t->heads, row = t->span->first + t->row + i / t->heads;
        float denominator = vf_sum(vf_load(whole->total + i * LANES));
        float shrink = whole->largest[i] == -INFINITY ? NAN : 1; /* no score but -infinity or NaN */
        float sink = a->sinks ? a->sinks[row * a->sink_stride + head] : -INFINITY;
        if (a->sinks) {
            float now = sink > whole->largest[i] ? sink : whole->largest[i];
            float base = now == -INFINITY ? 0 : now;
            shrink = exp_of(whole->largest[i] - base);
            denominator = denominator * shrink + exp_of(sink - base);
        }
        bool none = a->lse && denominator == 0;
        if (none) denominator = shrink = 1;
        float *out = a->out + row * a->out_stride + head * width;
        vf divisor = vf_set(denominator), by = vf_set(shrink);
        for (int64_t c = 0; c < width; c += LANES) {
            vf value = vf_div(vf_mul(vf_load(whole->out + i * t->v_pad + c), by), divisor);
            value = vf_add(value, vf_zero()); /* no negative zero */
            if (c + LANES <= width) {
                vf_store(out + c, value);
            } else {
                vf_store_part(out + c, value, (int)(width - c));
            }
        }
        if (!a->lse) continue;
        float most = sink > whole->largest[i] ? sink : whole->largest[i];
        a->lse[row * a->heads + head] = none ? -INFINITY : most + logf(denominator);
    }
}

static void attend_tile(void *context, int64_t index, int worker)
{
    const plan *p = context;
    float *room = (float *)(void *)as_exec_scratch(p->exec, worker);
    query_tile t = tile_at(p, index, &room);
    sums whole, part;
    room = place_sums(&whole, room, t.queries, t.v_pad);
    place_sums(&part, room, t.queries, t.v_pad);
    clear_sums(&whole, &t);
    for (int64_t i = tile_low(&t) / PART_TOKENS; i * PART_TOKENS < tile_high(&t); i++) {
        attend_part(&t, i, &part);
        merge(&t, &whole, &part, i);
    }
    finish(&t, &whole);
}

/* Room for the sums of one part of one tile, somewhere in the workers' scratch. */
static sums shared_sums(const plan *p, const query_tile *t, int64_t index, int64_t part)
{
    int64_t slot = index * p->parts + part, threads = as_pool_threads(p->exec->pool);
    unsigned char *base = as_exec_scratch(p->exec, (int)(slot % threads)) + AS_SCRATCH_BYTES - SHARED_BYTES;
    sums s;
    place_sums(&s, (float *)(void *)base + slot / threads * p->slot_floats, t->queries, t->v_pad);
    return s;
}

static void attend_tile_part(void *context, int64_t at, int worker)
{
    const plan *p = context;
    float *room = (float *)(void *)as_exec_scratch(p->exec, worker);
    query_tile t = tile_at(p, at / p->parts, &room);
    int64_t part = tile_low(&t) / PART_TOKENS + at % p->parts;
    if (part * PART_TOKENS >= tile_high(&t)) return;
    sums s = shared_sums(p, &t, at / p->parts, at % p->parts);
    attend_part(&t, part, &s);
}

static void merge_tile(void *context, int64_t index, int worker)
{
    const plan *p = context;
    float *room = (float *)(void *)as_exec_scratch(p->exec, worker);
    query_tile t = tile_at(p, index, &room);
    sums whole;
    place_sums(&whole, room, t.queries, t.v_pad);
    clear_sums(&whole, &t);
    int64_t first = tile_low(&t) / PART_TOKENS;
    for (int64_t i = first; i * PART_TOKENS < tile_high(&t); i++) {
        sums part = shared_sums(p, &t, index, i - first);
        merge(&t, &whole, &part, i);
    }
    finish(&t, &whole);
}

/* Parts of the longest tile, where giving them to different workers is worth it and their sums fit. */
static int64_t plan_parts(const plan *p)
{
    int64_t most = 1, threads = as_pool_threads(p->exec->pool);
    if (threads == 1 || p->tiles >= 4 * threads) return 1;
    for (int64_t i = 0; i < p->args->span_count; i++) {
        const as_span *span = &p->args->spans[i];
        int64_t low = first_key(p->args, span->position);
        int64_t last = as_last_visible(span->position + span->count - 1, p->args->every);
        if (span->count > 0) most = as_max_i64(most, last / PART_TOKENS - low / PART_TOKENS + 1);
    }
    int64_t slots = SHARED_BYTES / (p->slot_floats * (int64_t)sizeof(float)) * threads;
    return p->tiles * most <= slots ? most : 1;
}

/* Queries that a worker's scratch holds at a time. */
static int64_t most_queries(const as_kv_layer *cache, int64_t v_pad)
{
    int64_t all = (AS_SCRATCH_BYTES - SHARED_BYTES) / (int64_t)sizeof(float);
    int64_t page = (cache->k_width + v_pad) * PAGE + MAX_QUERIES * (PAGE + 1) + 4 * LANES + 2 * PAGE;
    int64_t most = (all - page) / (cache->k_width + 2 * (1 + LANES + v_pad));
    AS_BUG(most < 1);
    return as_min_i64(MAX_QUERIES, most);
}

void AS_VARIANT(attention)(const as_exec *exec, const as_attention_args *args)
{
    const as_kv_layer *cache = args->cache;
    plan p = {.exec = exec, .args = args, .group = args->heads / cache->kv_heads};
    int64_t most_rows = 0;
    for (int64_t i = 0; i < args->span_count; i++) most_rows = as_max_i64(most_rows, args->spans[i].count);
    if (most_rows == 0) return;
    p.v_pad = as_ceil_div(cache->v_width, LANES) * LANES;
    int64_t most = most_queries(cache, p.v_pad);
    p.head_tiles = as_ceil_div(p.group, most);
    p.heads = as_ceil_div(p.group, p.head_tiles);
    p.rows = as_min_i64(most_rows, most / p.heads);
    for (int64_t i = 0; i < args->span_count; i++) p.tiles += tiles_of(&p, &args->spans[i]);
    p.slot_floats = sums_floats(p.rows * p.heads, p.v_pad);
    p.parts = plan_parts(&p);
    if (p.parts == 1) {
        as_pool_for(exec->pool, p.tiles, attend_tile, &p);
        return;
    }
    as_pool_for(exec->pool, p.tiles * p.parts, attend_tile_part, &p);
    as_pool_for(exec->pool, p.tiles, merge_tile, &p);
}
