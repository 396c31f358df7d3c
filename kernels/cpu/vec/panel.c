/* Products with many rows of x: a panel of weight rows is widened to float32 once for all of them.
 *
 * The panel is packed in the order in which the inner loop reads it, [tile][step][TILE_ROWS] vectors, so that
 * it passes from the second-level cache as one stream; TILE_COLS rows of x stay in the first-level cache
 * meanwhile, and the next ones are fetched. The more rows in the panel, the less often x is read from beyond
 * the second-level cache, which is what bounds these products on a busy machine. */
#include "kernels/cpu/vec/panel.h"
#include "kernels/cpu/vec/sums.h"

enum {
    MAX_X = 2048, /* rows of x whose sums are kept at a time */
    TILES = (AS_MOST_PANEL_ROWS + TILE_ROWS - 1) / TILE_ROWS,
    TILE_FLOATS = BLOCK_COLS * TILE_ROWS,
    LINE = 16, /* floats in a line of the caches */
};

/* A worker's scratch. */
typedef struct room {
    float weights[TILES * TILE_FLOATS];    /* [tile][step][TILE_ROWS][LANES] */
    float row[BLOCK_COLS];                 /* while packing */
    float x[TILE_COLS * BLOCK_COLS];       /* where its scales are multiplied in */
    float sums[TILES * TILE_ROWS * MAX_X]; /* [tile][row of x][TILE_ROWS] */
} room;

_Static_assert(sizeof(room) <= AS_PRODUCT_SCRATCH, "it fits");
_Static_assert((int)BLOCK_COLS % LANES == 0, "whole vectors");

AS_INLINE void widen_as(as_dtype type, const unsigned char *from, float *to, int64_t count)
{
    int64_t k = 0;
    for (; type == AS_E4M3 && k + 2 * LANES <= count; k += 2 * LANES) {
        vf w[2];
        vf_load_e4m3_256th(from + k, w);
        vf_store(to + k, w[0]);
        vf_store(to + k + LANES, w[1]);
    }
    for (; k + LANES <= count; k += LANES) vf_store(to + k, load_weights(type, from + k * size_of(type), 0));
    if (k < count) {
        int part = (int)(count - k);
        vf_store_part(to + k, load_weights(type, from + k * size_of(type), part), part);
    }
}

/* Blocks of 32 bytes with their scale before them; `from` is the begin of a block. */
static void widen_q8_0(const unsigned char *from, float *to, int64_t count)
{
    for (int64_t k = 0; k < count; k += AS_Q8_0_BLOCK, from += AS_Q8_0_BYTES) {
        uint16_t half;
        memcpy(&half, from, sizeof half);
        vf scale = vf_set(as_f32_from_f16(half));
        for (int i = 0; i < AS_Q8_0_BLOCK; i += LANES) {
            vf_store(to + k + i, vf_mul(vf_load_i8(from + sizeof half + i), scale));
        }
    }
}

static void widen(as_dtype type, const unsigned char *from, float *to, int64_t count)
{
    switch (type) {
    case AS_F16: widen_as(AS_F16, from, to, count); return;
    case AS_BF16: widen_as(AS_BF16, from, to, count); return;
    case AS_E4M3: widen_as(AS_E4M3, from, to, count); return;
    case AS_Q8_0: widen_q8_0(from, to, count); return;
    case AS_E2M1: as_convert_to_f32(AS_E2M1, from, to, count); return;
    default: widen_as(AS_F32, from, to, count); return;
    }
}

/* Times the powers of two of 32 columns each; `at` is the begin of a block. */
static void multiply_powers(const uint8_t *powers, int64_t at, int64_t count, float *to)
{
    for (int64_t k = 0; k < count; k += AS_E2M1_BLOCK) {
        vf scale = vf_set(as_f32_from_e8m0(powers[(at + k) / AS_E2M1_BLOCK]));
        for (int i = 0; i < AS_E2M1_BLOCK; i += LANES) {
            vf_store(to + k + i, vf_mul(vf_load(to + k + i), scale));
        }
    }
}

/* Part of one row as float32, with its block scales. */
static void widen_row(const as_matrix *w, int64_t row, int64_t at, int64_t count, float *to)
{
    widen(w->dtype, as_matrix_row(w, row) + as_dtype_span(w->dtype, at), to, count);
    if (w->scale == AS_SCALE_POWERS) multiply_powers(w->powers + row * w->power_stride, at, count, to);
    if (w->scale != AS_SCALE_BLOCK) return;
    const float *scales = w->scales + row / w->block_rows * as_ceil_div(w->cols, w->block_cols);
    for (int64_t k = 0; k < count;) {
        int64_t block = (at + k) / w->block_cols;
        int64_t stop = as_min_i64(count, (block + 1) * w->block_cols - at);
        for (float scale = scales[block]; k < stop; k++) to[k] *= scale;
    }
}

/* The block of `count` columns from `at` on, of rows first.. of w, with zeros behind the last column. Missing
 * rows of the last tile keep what stands there: their sums are not used. */
static void pack_weights(room *r, const as_matrix *w, int64_t first, int64_t rows, int64_t at, int64_t count)
{
    int64_t steps = as_ceil_div(count, LANES);
    memset(r->row + (steps - 1) * LANES, 0, LANES * sizeof *r->row);
    for (int64_t row = 0; row < rows; row++) {
        widen_row(w, first + row, at, count, r->row);
        float *to = r->weights + row / TILE_ROWS * TILE_FLOATS + row % TILE_ROWS * LANES;
        for (int64_t k = 0; k < steps; k++) vf_store(to + k * TILE_ROWS * LANES, vf_load(r->row + k * LANES));
    }
}

/* All tiles of a panel against nr rows of x. */
typedef struct pass {
    const float *w, *x[TILE_COLS];
    int64_t tiles, count; /* count: columns */
    float *sums;          /* where those of the first tile are added */
    int64_t sums_stride;
    const float *soon; /* the rows of x that come next, as many again, or NULL */
    int64_t soon_stride;
} pass;

/* Fetches the tile's share of the x that comes next. */
AS_INLINE void fetch_soon(int nr, const pass *p, int64_t tile)
{
    int64_t lines = as_ceil_div(p->count, LINE);
    int64_t from = lines * tile / p->tiles, end = lines * (tile + 1) / p->tiles;
    for (int c = 0; c < nr; c++) {
        const float *row = p->soon + c * p->soon_stride;
        for (int64_t k = from; k < end; k++) _mm_prefetch((const char *)(row + k * LINE), _MM_HINT_T1);
    }
}

/* A vector of columns, or where part is not 0 that many. */
AS_INLINE void run_step(int nr, const pass *p, int64_t k, int part, const float *w, vf *acc)
{
    vf x[TILE_COLS];
#pragma GCC unroll 8
    for (int c = 0; c < nr; c++) x[c] = part ? vf_load_part(p->x[c] + k, part) : vf_load(p->x[c] + k);
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i++) {
        vf wi = vf_load(w + i * LANES);
#pragma GCC unroll 8
        for (int c = 0; c < nr; c++) acc[c * TILE_ROWS + i] = vf_fma(wi, x[c], acc[c * TILE_ROWS + i]);
    }
}

AS_INLINE void run_pass(int nr, const pass *p)
{
    for (int64_t tile = 0; tile < p->tiles; tile++) {
        const float *w = p->w + tile * TILE_FLOATS;
        vf acc[TILE_ROWS * TILE_COLS];
#pragma GCC unroll 32
        for (int i = 0; i < nr * TILE_ROWS; i++) acc[i] = vf_zero();
        if (p->soon) fetch_soon(nr, p, tile);
        int64_t k = 0;
        for (; k + LANES <= p->count; k += LANES, w += TILE_ROWS * LANES) run_step(nr, p, k, 0, w, acc);
        if (k < p->count) run_step(nr, p, k, (int)(p->count - k), w, acc);
        close_sums(nr, acc, p->sums + tile * p->sums_stride);
    }
}

typedef void pass_function(const pass *p);

#define PASS(nr)                                                                                             \
    static void pass_##nr(const pass *p)                                                                     \
    {                                                                                                        \
        run_pass(nr, p);                                                                                     \
    }
PASS(1)
PASS(2)
PASS(3)
#if defined(AS_LEVEL_AVX512)
PASS(4)
PASS(5)
PASS(6)
static pass_function *const passes[TILE_COLS] = {pass_1, pass_2, pass_3, pass_4, pass_5, pass_6};
#else
static pass_function *const passes[TILE_COLS] = {pass_1, pass_2, pass_3};
#endif

/* The packed block, which begins at column `at`, against rows from..from+n-1 of x. */
static void run_block(room *r, const as_product *p, int64_t rows, int64_t at, int64_t count, int64_t from,
                      int64_t n)
{
    for (int64_t i = 0; i < n; i += TILE_COLS) {
        int nr = (int)as_min_i64(TILE_COLS, n - i);
        pass turn = {.w = r->weights,
                     .tiles = as_ceil_div(rows, TILE_ROWS),
                     .count = count,
                     .sums = r->sums + i * TILE_ROWS,
                     .sums_stride = n * TILE_ROWS};
        for (int c = 0; c < nr; c++) turn.x[c] = x_part(p, from + i + c, at, count, r->x + c * BLOCK_COLS);
        if (!p->pairs && i + 2 * TILE_COLS <= n) {
            turn.soon = as_product_x(p, from + i + TILE_COLS) + at;
            turn.soon_stride = p->x_stride;
        }
        passes[nr - 1](&turn);
    }
}

void AS_VARIANT(as_packed_panel)(const as_product *p, int64_t first, int64_t end, unsigned char *scratch)
{
    room *r = (room *)(void *)scratch;
    int64_t rows = end - first, whole = as_ceil_div(rows, TILE_ROWS) * TILE_ROWS;
    memset(r->weights + (whole / TILE_ROWS - 1) * TILE_FLOATS, 0, TILE_FLOATS * sizeof *r->weights);
    for (int64_t from = 0; from < p->n; from += MAX_X) {
        int64_t n = as_min_i64(MAX_X, p->n - from);
        memset(r->sums, 0, (size_t)(whole * n) * sizeof *r->sums);
        for (int64_t at = 0; at < p->w->cols; at += BLOCK_COLS) {
            int64_t count = as_min_i64(BLOCK_COLS, p->w->cols - at);
            pack_weights(r, p->w, first, rows, at, count);
            run_block(r, p, rows, at, count, from, n);
        }
        finish_sums(p, first, rows, r->sums, n, from);
    }
}
