/* Matrix products on tiles of bf16, exact to float32.
 *
 * x is split into three bf16 pieces (pack.h), the weights are bf16 as they lie in the checkpoint. A tile of
 * sums is 16 weight rows by up to 16 rows of x. For every 32 columns, in ascending order, it takes the
 * products with the high, the middle and the low pieces, each by one instruction, which sums 32 products in
 * an order of its own and adds the result. One row of x or many: a sum sees the same instructions with the
 * same numbers, so the bits are the same. Products below 2^-126 are flushed to zero.
 *
 * The weights are the first operand, so that their tiles are loaded from where they lie: 16 lines of 64
 * bytes, a matrix row apart. Only what does not fill a tile is copied. */
#define AS_LEVEL_AVX512
#include <string.h>

#include "kernels/cpu/amx/pack.h"
#include "kernels/cpu/vec/finish.h"

enum {
    PRIVATE_BYTES = 64 << 10,                        /* of a worker's scratch: tiles on their way */
    PACK_BYTES = AS_PRODUCT_SCRATCH - PRIVATE_BYTES, /* of scratch, at most, for packed x */
    RESIDENT_BYTES = 1200 << 10,                     /* packed x that stays in the second-level cache */
    PANEL_ROWS = 32,                                 /* weight rows at a time */
    MOST_ROWS = 512,
    PACK_STEPS = 8, /* steps that a worker packs at a time */
};

/* 32 weight rows, or what is left of them. */
typedef struct strip {
    const unsigned char *w; /* of the first row */
    int64_t stride;         /* bytes */
    int64_t rows, cols;
    int64_t ahead;        /* bytes to what will be read next, prefetched; 0: nothing */
    unsigned char *stage; /* two tiles */
    float *sums;          /* four tiles */
} strip;

/* Up to 16 rows of up to 32 columns, zero in the rest of the tile. */
static void stage_tile(const strip *s, int64_t row, int64_t step, unsigned char *to)
{
    int64_t bytes = as_min_i64(TILE_LINE, s->cols * 2 - step * TILE_LINE);
    memset(to, 0, TILE_BYTES);
    for (int64_t r = 0; r < TILE_LINES && row + r < s->rows; r++) {
        memcpy(to + r * TILE_LINE, s->w + (row + r) * s->stride + step * TILE_LINE, (size_t)bytes);
    }
}

AS_INLINE void prefetch_lines(const unsigned char *at, int64_t stride)
{
#pragma GCC unroll 16
    for (int i = 0; i < TILE_LINES; i++) _mm_prefetch((const char *)at + i * stride, _MM_HINT_T0);
}

/* One step: the weights are in tiles 4 and 5, b and b_next are the first pieces of two blocks of x. */
AS_INLINE void multiply_step(int two_rows, int two_blocks, int pieces, const unsigned char *b,
                             const unsigned char *b_next, int64_t line, int64_t tile)
{
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
}

AS_INLINE void multiply(int two_rows, int two_blocks, int pieces, const strip *s, const packed *x,
                        int64_t block)
{
    int64_t line = 4 * x->columns, tile = packed_tile_bytes(x);
    const unsigned char *b = x->data + block * packed_block_bytes(x), *b_next = b + packed_block_bytes(x);
    int64_t whole = s->rows == (two_rows ? 32 : 16) ? s->cols / TILE_DEPTH : 0;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t step = 0; step < x->steps; step++, b += pieces * tile, b_next += pieces * tile) {
        if (step < whole) {
            const unsigned char *a = s->w + step * TILE_LINE;
            if (s->ahead) prefetch_lines(a + s->ahead, s->stride);
            _tile_loadd(4, a, s->stride);
            if (two_rows) {
                if (s->ahead) prefetch_lines(a + 16 * s->stride + s->ahead, s->stride);
                _tile_loadd(5, a + 16 * s->stride, s->stride);
            }
        } else {
            stage_tile(s, 0, step, s->stage);
            if (two_rows) stage_tile(s, 16, step, s->stage + TILE_BYTES);
            AS_TILES_FENCE();
            _tile_loadd(4, s->stage, TILE_LINE);
            if (two_rows) _tile_loadd(5, s->stage + TILE_BYTES, TILE_LINE);
        }
        multiply_step(two_rows, two_blocks, pieces, b, b_next, line, tile);
    }
    _tile_stored(0, s->sums, TILE_LINE);
    _tile_stored(1, s->sums + TILE_BYTES / 4, TILE_LINE);
    _tile_stored(2, s->sums + 2 * TILE_BYTES / 4, TILE_LINE);
    _tile_stored(3, s->sums + 3 * TILE_BYTES / 4, TILE_LINE);
    AS_TILES_FENCE();
}

static void multiply_blocks(const strip *s, const packed *x, int64_t block, int two_blocks)
{
    int two_rows = s->rows > 16;
    if (x->pieces == 1) {
        if (two_rows && two_blocks) multiply(1, 1, 1, s, x, block);
        if (two_rows && !two_blocks) multiply(1, 0, 1, s, x, block);
        if (!two_rows && two_blocks) multiply(0, 1, 1, s, x, block);
        if (!two_rows && !two_blocks) multiply(0, 0, 1, s, x, block);
        return;
    }
    if (two_rows && two_blocks) multiply(1, 1, MAX_PIECES, s, x, block);
    if (two_rows && !two_blocks) multiply(1, 0, MAX_PIECES, s, x, block);
    if (!two_rows && two_blocks) multiply(0, 1, MAX_PIECES, s, x, block);
    if (!two_rows && !two_blocks) multiply(0, 0, MAX_PIECES, s, x, block);
}

/* Writes one tile of sums: rows first.. of w, rows `column`.. of x. */
static void finish_tile(const as_product *p, const packed *x, int64_t block, int64_t first, int64_t end,
                        const float *sums)
{
    int64_t column = block * x->columns, columns = as_min_i64(x->columns, x->rows - column);
    int count = (int)as_min_i64(16, end - first);
    if (count <= 0) return;
    vf rows[LANES];
    for (int i = 0; i < LANES; i++) rows[i] = vf_load(sums + i * 16);
    vf_transpose(rows);
    for (int64_t c = 0; c < columns; c++) finish_vector(p, x->first + column + c, first, count, rows[c]);
}

static unsigned char *private_part(unsigned char *scratch)
{
    return scratch + PACK_BYTES;
}

/* Rows first..end-1 of w against packed rows of x. */
static void run_panel(const as_product *p, const packed *x, int64_t first, int64_t end,
                      unsigned char *scratch)
{
    strip s = {.cols = p->w->cols, .stride = p->w->stride * 2};
    s.stage = private_part(scratch);
    s.sums = (float *)(void *)(s.stage + 2 * TILE_BYTES);
    as_tiles_begin(x->columns);
    for (int64_t row = first; row < end; row += PANEL_ROWS) {
        s.w = as_matrix_row(p->w, row);
        s.rows = as_min_i64(PANEL_ROWS, end - row);
        for (int64_t block = 0; block < x->blocks; block += 2) {
            int two_blocks = block + 1 < x->blocks;
            int64_t stop = row + s.rows, tile = TILE_BYTES / 4;
            s.ahead = block == 0 ? (row + PANEL_ROWS < end ? PANEL_ROWS * s.stride : 1024) : 0;
            multiply_blocks(&s, x, block, two_blocks);
            finish_tile(p, x, block, row, stop, s.sums);
            finish_tile(p, x, block, row + 16, stop, s.sums + 2 * tile);
            if (!two_blocks) continue;
            finish_tile(p, x, block + 1, row, stop, s.sums + tile);
            finish_tile(p, x, block + 1, row + 16, stop, s.sums + 3 * tile);
        }
    }
    as_tiles_end();
}

/* Whether tiles compute this product; what decides does not depend on the number of rows of x. */
static bool on_tiles(const as_matrix *w, int64_t x_block)
{
    return w->dtype == AS_BF16 && w->scale != AS_SCALE_BLOCK && x_block == 0 &&
           w->cols * 2 * MAX_PIECES <= PACK_BYTES / 2;
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
    run_panel(&j->product, &j->x, first, end, as_exec_scratch(j->exec, worker));
}

/* Weight rows that one worker takes at a time: a multiple of PANEL_ROWS, several for each worker. */
static int64_t rows_at_a_time(const as_exec *exec, const as_matrix *w, int64_t n)
{
    int64_t share = w->rows / (4 * (int64_t)as_pool_threads(exec->pool));
    int64_t rows = n <= 16 ? (512 << 10) / as_max_i64(1, w->cols * 2) : 64;
    return as_max_i64(1, as_min_i64(rows, share) / PANEL_ROWS) * PANEL_ROWS;
}

void matmul_amx(const as_exec *exec, const as_matmul_args *args)
{
    if (!on_tiles(args->w, args->x_scale ? args->x_block : 0)) {
        as_product_matmul(exec, args, as_panel_avx512);
        return;
    }
    job j = {.exec = exec, .product = as_product_of(args)};
    j.panel = rows_at_a_time(exec, args->w, args->n);
    for (int64_t from = 0; from < args->n; from += j.x.rows) {
        j.x = as_pack_plan(&j.product, from, PACK_BYTES, INT64_MAX);
        if (packed_block_bytes(&j.x) * j.x.blocks > RESIDENT_BYTES) {
            int64_t most = as_max_i64(2, RESIDENT_BYTES / packed_block_bytes(&j.x)) * j.x.columns;
            j.x = as_pack_plan(&j.product, from, PACK_BYTES, most);
        }
        j.x.data = as_exec_scratch(exec, 0);
        bool few = j.x.columns == 1;
        as_pool_for(few ? NULL : exec->pool, as_ceil_div(j.x.steps, PACK_STEPS), pack_body, &j);
        as_pool_for(exec->pool, as_ceil_div(args->w->rows, j.panel), panel_body, &j);
    }
}

/* For one expert: its few rows of x are packed by whoever needs them. */
static void expert_panel(const as_product *p, int64_t first, int64_t end, unsigned char *scratch)
{
    for (int64_t from = 0; from < p->n;) {
        packed x = as_pack_plan(p, from, PACK_BYTES, INT64_MAX);
        x.data = scratch;
        as_pack_steps(p, &x, 0, x.steps);
        run_panel(p, &x, first, end, scratch);
        from += x.rows;
    }
}

void expert_matmul_amx(const as_exec *exec, const as_expert_matmul_args *args)
{
    if (!on_tiles(&args->w[0], args->x_scale ? args->x_block : 0)) {
        as_product_experts(exec, args, as_panel_avx512, AS_PANEL_ROWS);
        return;
    }
    as_product_experts(exec, args, expert_panel, MOST_ROWS);
}
