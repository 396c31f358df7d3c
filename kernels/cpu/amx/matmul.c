/* Matrix products on tiles of bf16, exact to float32.
 *
 * x is split into three bf16 pieces (pack.c); bf16 and e4m3 weights are one. A tile of sums is 16 weight rows
 * by up to 16 rows of x. The columns are taken in blocks of BLOCK_STEPS * 32; in a block, for every 32
 * columns in ascending order, the sums take the products with the high, the middle and the low pieces of x,
 * each by one instruction, which sums 32 products in an order of its own. The sums of the blocks are added in
 * ascending order. One row of x or many: a sum sees the same instructions with the same numbers, so the bits
 * are the same. Products below 2^-126 are flushed to zero.
 *
 * Weights are the first operand, so that bf16 tiles can be loaded from where they lie: 16 lines of 64 bytes,
 * a matrix row apart. Up to 16 rows of x (decoding) they stream past once in this way; other types pass
 * through a few staged tiles. For more rows of x a panel of weights is staged in tiles of its own and meets
 * all rows of x before the next. */
#define AS_LEVEL_AVX512
#include <string.h>

#include "kernels/cpu/amx/pack.h"
#include "kernels/cpu/amx/single.h"
#include "kernels/cpu/vec/finish.h"

enum {
    STAGE_STEPS = 4,      /* steps staged at a time in decoding */
    PANEL_TILES = 16,     /* tiles of weight rows in a panel */
    MOST_BLOCKS = 32,     /* blocks of x at a time */
    PACK_STEPS = 8,       /* steps that a worker packs at a time */
    RESIDENT = 768 << 10, /* bytes of packed x that stay in the second-level cache with a panel */

    STAGE_BYTES = PANEL_TILES * BLOCK_STEPS * TILE_BYTES,
    SUMS_BYTES = PANEL_TILES * MOST_BLOCKS * TILE_BYTES,
    PRIVATE_BYTES = STAGE_BYTES + SUMS_BYTES,
    SHARED_BYTES = AS_SCRATCH_BYTES - PRIVATE_BYTES, /* of each worker: packed x of a matmul */
    EXPERT_BYTES = AS_PRODUCT_SCRATCH - PRIVATE_BYTES,
};

/* A worker's private part of its scratch. */
typedef struct room {
    unsigned char *stage; /* tiles of weights */
    float *sums;          /* [tiles of rows, blocks] tiles */
} room;

static room room_in(unsigned char *scratch)
{
    return (room){scratch, (float *)(void *)(scratch + STAGE_BYTES)};
}

/* Tiles of weights for successive steps: one for each of two tiles of rows. */
typedef struct weights {
    const unsigned char *first, *second;
    int64_t line, step; /* bytes from line to line, from step to step */
} weights;

/* Adds `steps` steps to the sums in tiles 0-3. */
AS_INLINE void multiply_as(int two_rows, int two_blocks, int pieces, const weights *w, const unsigned char *b,
                           const unsigned char *b_next, int64_t line, int64_t steps)
{
    const unsigned char *first = w->first, *second = w->second;
    int64_t tile = TILE_LINES * line;
    for (int64_t step = 0; step < steps; step++) {
        _tile_loadd(4, first, w->line);
        if (two_rows) _tile_loadd(5, second, w->line);
#pragma GCC unroll 3
        for (int i = 0; i < pieces; i++) {
            _tile_loadd(6, b + i * tile, line);
            _tile_dpbf16ps(0, 4, 6);
            if (two_rows) _tile_dpbf16ps(2, 5, 6);
            if (!two_blocks) continue;
            _tile_loadd(7, b_next + i * tile, line);
            _tile_dpbf16ps(1, 4, 7);
            if (two_rows) _tile_dpbf16ps(3, 5, 7);
        }
        first += w->step;
        second += w->step;
        b += pieces * tile;
        b_next += pieces * tile;
    }
}

/* Steps from `step` on of one or two tiles of weight rows against one or two blocks of x. */
static void multiply(const weights *w, const packed *x, int64_t block, int two_blocks, int64_t step,
                     int64_t steps)
{
    int64_t line = 4 * x->columns, at = step * x->pieces * packed_tile_bytes(x);
    const unsigned char *b = packed_block(x, block) + at;
    const unsigned char *next = two_blocks ? packed_block(x, block + 1) + at : b;
    if (x->pieces == 1) {
        if (w->second && two_blocks) multiply_as(1, 1, 1, w, b, next, line, steps);
        if (w->second && !two_blocks) multiply_as(1, 0, 1, w, b, next, line, steps);
        if (!w->second && two_blocks) multiply_as(0, 1, 1, w, b, next, line, steps);
        if (!w->second && !two_blocks) multiply_as(0, 0, 1, w, b, next, line, steps);
        return;
    }
    if (w->second && two_blocks) multiply_as(1, 1, MAX_PIECES, w, b, next, line, steps);
    if (w->second && !two_blocks) multiply_as(1, 0, MAX_PIECES, w, b, next, line, steps);
    if (!w->second && two_blocks) multiply_as(0, 1, MAX_PIECES, w, b, next, line, steps);
    if (!w->second && !two_blocks) multiply_as(0, 0, MAX_PIECES, w, b, next, line, steps);
}

static void clear_tiles(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

static void add_tile(const float *from, float *to, bool first)
{
    for (int i = 0; i < TILE_BYTES / 4; i += LANES) {
        vf value = vf_load(from + i);
        vf_store(to + i, first ? value : vf_add(vf_load(to + i), value));
    }
}

/* Closes a block of columns: tiles 0-3 onto sums; second: bytes to the second tile of rows, or 0. */
static void close_block(float *sums, int64_t second, int two_blocks, bool first)
{
    float tiles[4][TILE_BYTES / 4];
    _tile_stored(0, tiles[0], TILE_LINE);
    _tile_stored(1, tiles[1], TILE_LINE);
    _tile_stored(2, tiles[2], TILE_LINE);
    _tile_stored(3, tiles[3], TILE_LINE);
    AS_TILES_FENCE();
    enum { TILE = TILE_BYTES / 4 };
    add_tile(tiles[0], sums, first);
    if (two_blocks) add_tile(tiles[1], sums + TILE, first);
    if (!second) return;
    add_tile(tiles[2], sums + second, first);
    if (two_blocks) add_tile(tiles[3], sums + second + TILE, first);
}

/* Writes one tile of sums: weight rows row.. below end, one block of x. */
static void finish_tile(const as_product *p, const packed *x, int64_t block, int64_t row, int64_t end,
                        const float *sums)
{
    int64_t column = block * x->columns, columns = as_min_i64(x->columns, x->rows - column);
    int count = (int)as_min_i64(16, end - row);
    vf rows[LANES];
    for (int i = 0; i < LANES; i++) rows[i] = vf_load(sums + i * 16);
    vf_transpose(rows);
    for (int64_t c = 0; c < columns; c++) finish_vector(p, x->first + column + c, row, count, rows[c]);
}

AS_INLINE void prefetch_lines(const unsigned char *at, int64_t stride, int64_t bytes)
{
    for (int64_t line = 0; line < bytes; line += 64) {
#pragma GCC unroll 16
        for (int i = 0; i < TILE_LINES; i++) _mm_prefetch((const char *)at + i * stride + line, _MM_HINT_T0);
    }
}

/* Decoding: one tile of weight rows, or two, against the one block of x. Direct: bf16 tiles that lie whole in
 * the matrix are loaded from there. */
static void stream_tiles(const as_product *p, const packed *x, int64_t row, int64_t end, int64_t last,
                         const room *r)
{
    const as_matrix *m = p->w;
    int64_t size = as_dtype_bytes(m->dtype), stride = m->stride * size;
    int64_t whole = m->dtype == AS_BF16 && end - row == 32 ? m->cols / TILE_DEPTH : 0;
    int64_t ahead = row + 64 <= last ? 32 * stride : 0;
    unsigned char *second = r->stage + STAGE_STEPS * TILE_BYTES;
    for (int64_t from = 0; from < x->steps; from += BLOCK_STEPS) {
        int64_t until = as_min_i64(x->steps, from + BLOCK_STEPS);
        clear_tiles();
        for (int64_t step = from; step < until; step += STAGE_STEPS) {
            int64_t count = as_min_i64(STAGE_STEPS, until - step);
            const unsigned char *at = as_matrix_row(m, row) + step * TILE_DEPTH * size;
            weights w = {.first = at, .second = at + 16 * stride, .line = stride, .step = TILE_LINE};
            if (ahead) {
                prefetch_lines(at + ahead, stride, count * TILE_DEPTH * size);
                prefetch_lines(at + ahead + 16 * stride, stride, count * TILE_DEPTH * size);
            }
            if (step + count > whole) {
                as_stage_weights(m, row, end, step, step + count, r->stage);
                as_stage_weights(m, row + 16, end, step, step + count, second);
                w = (weights){r->stage, second, TILE_LINE, TILE_BYTES};
                AS_TILES_FENCE();
            }
            multiply(&w, x, 0, 0, step, count);
        }
        close_block(r->sums, TILE_BYTES / 4, 0, from == 0);
    }
    finish_tile(p, x, 0, row, end, r->sums);
    if (row + 16 < end) finish_tile(p, x, 0, row + 16, end, r->sums + TILE_BYTES / 4);
}

/* Prefill: a block of columns of a staged panel against blocks from..until-1 of x. */
static void panel_block(const packed *x, int64_t tiles, int64_t step, int64_t steps, int64_t from,
                        int64_t until, const room *r)
{
    enum { TILE = TILE_BYTES / 4 };
    int64_t bytes = steps * TILE_BYTES;
    for (int64_t t = 0; t < tiles; t += 2) {
        weights w = {.first = r->stage + t * bytes, .line = TILE_LINE, .step = TILE_BYTES};
        if (t + 1 < tiles) w.second = w.first + bytes;
        for (int64_t block = from; block < until; block += 2) {
            int two_blocks = block + 1 < until;
            clear_tiles();
            multiply(&w, x, block, two_blocks, step, steps);
            close_block(r->sums + (t * x->blocks + block) * TILE, w.second ? x->blocks * TILE : 0, two_blocks,
                        step == 0);
        }
    }
}

static void run_panel(const as_product *p, const packed *x, int64_t row, int64_t end, const room *r)
{
    int64_t tiles = as_ceil_div(end - row, 16);
    int64_t group = RESIDENT / (BLOCK_STEPS * x->pieces * packed_tile_bytes(x)) & ~(int64_t)1;
    for (int64_t step = 0; step < x->steps; step += BLOCK_STEPS) {
        int64_t steps = as_min_i64(BLOCK_STEPS, x->steps - step);
        for (int64_t t = 0; t < tiles; t++) {
            as_stage_weights(p->w, row + 16 * t, end, step, step + steps, r->stage + t * steps * TILE_BYTES);
        }
        AS_TILES_FENCE();
        for (int64_t block = 0; block < x->blocks; block += group) {
            panel_block(x, tiles, step, steps, block, as_min_i64(x->blocks, block + group), r);
        }
    }
    for (int64_t t = 0; t < tiles; t++) {
        for (int64_t block = 0; block < x->blocks; block++) {
            finish_tile(p, x, block, row + 16 * t, end, r->sums + (t * x->blocks + block) * TILE_BYTES / 4);
        }
    }
}

/* Rows first..end-1 of w against packed rows of x. */
static void run_rows(const as_product *p, const packed *x, int64_t first, int64_t end, unsigned char *scratch)
{
    room r = room_in(scratch);
    int64_t most = 16 * PANEL_TILES;
    as_tiles_begin(x->columns);
    for (int64_t row = first; row < end;) {
        int64_t stop = as_min_i64(end, row + (x->blocks == 1 ? 32 : most));
        if (x->blocks == 1) {
            stream_tiles(p, x, row, stop, end, &r);
        } else {
            run_panel(p, x, row, stop, &r);
        }
        row = stop;
    }
    as_tiles_end();
}

typedef struct job {
    const as_exec *exec;
    as_product product;
    packed x;
    int64_t panel;
} job;

static void pack_body(void *context, int64_t i, int worker)
{
    (void)worker;
    const job *j = context;
    as_pack_steps(&j->product, &j->x, i * PACK_STEPS, as_min_i64((i + 1) * PACK_STEPS, j->x.steps));
}

static void panel_body(void *context, int64_t i, int worker)
{
    const job *j = context;
    int64_t first = i * j->panel, end = as_min_i64(first + j->panel, j->product.w->rows);
    run_rows(&j->product, &j->x, first, end, as_exec_scratch(j->exec, worker));
}

/* Weight rows that one worker takes at a time: a multiple of 32, several for each worker. */
static int64_t rows_at_a_time(const as_exec *exec, const as_matrix *w, int64_t n)
{
    enum { STREAM_BYTES = 512 << 10 };
    int64_t share = w->rows / (4 * (int64_t)as_pool_threads(exec->pool));
    int64_t rows =
        n <= 16 ? STREAM_BYTES / as_max_i64(1, as_dtype_span(w->dtype, w->cols)) : 16 * PANEL_TILES;
    return as_max_i64(1, as_min_i64(rows, share) / 32) * 32;
}

typedef struct single_job {
    as_product product;
    const float *pieces;
    int64_t panel;
} single_job;

static void single_body(void *context, int64_t i, int worker)
{
    (void)worker;
    const single_job *j = context;
    int64_t first = i * j->panel;
    as_single_rows(&j->product, 0, j->pieces, first, as_min_i64(first + j->panel, j->product.w->rows));
}

/* One row of x: by vectors, to the same bits. */
static void matmul_single(const as_exec *exec, const as_matmul_args *args)
{
    float *pieces = (float *)(void *)as_exec_scratch(exec, 0);
    single_job j = {.product = as_product_of(args), .pieces = pieces};
    j.panel = rows_at_a_time(exec, args->w, 1);
    AS_BUG(as_single_bytes(&j.product) > AS_SCRATCH_BYTES);
    as_single_split(&j.product, 0, pieces);
    as_pool_for(exec->pool, as_ceil_div(args->w->rows, j.panel), single_body, &j);
}

void matmul_amx(const as_exec *exec, const as_matmul_args *args)
{
    if (!as_tiles_take(args->w, args->x_scale, args->x_block, EXPERT_BYTES)) {
        as_product_matmul(exec, args, as_panel_avx512);
        return;
    }
    if (args->n == 1) {
        matmul_single(exec, args);
        return;
    }
    job j = {.exec = exec, .product = as_product_of(args)};
    j.panel = rows_at_a_time(exec, args->w, args->n);
    j.x.workers = as_pool_threads(exec->pool);
    j.x.stride = AS_SCRATCH_BYTES;
    j.x.data = as_exec_scratch(exec, 0) + PRIVATE_BYTES;
    for (int64_t from = 0; from < args->n; from += j.x.rows) {
        as_pack_plan(&j.product, from, SHARED_BYTES, 16 * MOST_BLOCKS, &j.x);
        j.x.blocks = as_min_i64(j.x.blocks, MOST_BLOCKS);
        j.x.rows = as_min_i64(j.x.rows, j.x.blocks * j.x.columns);
        bool serial = j.x.columns == 1; /* a microsecond's work */
        as_pool_for(serial ? NULL : exec->pool, as_ceil_div(j.x.steps, PACK_STEPS), pack_body, &j);
        as_pool_for(exec->pool, as_ceil_div(args->w->rows, j.panel), panel_body, &j);
    }
}

/* For one expert: its few rows of x are packed by whoever needs them. */
static void expert_rows(const as_product *p, int64_t first, int64_t end, unsigned char *scratch)
{
    packed x = {.workers = 1, .data = scratch + PRIVATE_BYTES};
    if (p->n == 1 && as_single_bytes(p) <= AS_PRODUCT_SCRATCH) {
        as_single_split(p, 0, (float *)(void *)scratch);
        as_single_rows(p, 0, (const float *)(const void *)scratch, first, end);
        return;
    }
    for (int64_t from = 0; from < p->n; from += x.rows) {
        as_pack_plan(p, from, EXPERT_BYTES, 16 * MOST_BLOCKS, &x);
        x.blocks = as_min_i64(x.blocks, MOST_BLOCKS);
        x.rows = as_min_i64(x.rows, x.blocks * x.columns);
        as_pack_steps(p, &x, 0, x.steps);
        AS_TILES_FENCE();
        run_rows(p, &x, first, end, scratch);
    }
}

void expert_matmul_amx(const as_exec *exec, const as_expert_matmul_args *args)
{
    enum { MOST_ROWS = 512 };
    if (!as_tiles_take(&args->w[0], args->x_scale, args->x_block, EXPERT_BYTES)) {
        as_product_experts(exec, args, as_panel_avx512, as_panel_rows());
        return;
    }
    as_product_experts(exec, args, expert_rows, MOST_ROWS);
}
