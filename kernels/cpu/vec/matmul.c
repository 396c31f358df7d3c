/* Matrix products as dot products with one order of sums, whatever the number of rows of x.
 *
 * The columns are taken in blocks of BLOCK_COLS. In a block, lane l of a vector sums the products of columns
 * l, l + LANES, l + 2 LANES, ... in ascending order with fused multiply-adds; the lanes are then summed as a
 * tree (vf_sum), and the sums of the blocks are added in ascending order. Register tiles of several weight
 * rows by several rows of x change nothing in this order.
 *
 * Up to STREAM_X rows of x (decoding): weights are widened in registers on their way from memory. More: a
 * panel of weight rows is widened to float32 in scratch once for all rows of x. Scales by block, of weights
 * or of x, are multiplied in while widening; others scale the finished sum, as does the factor 256 that is
 * left out of e4m3 weights. */
#include <string.h>

#include "kernels/cpu/vec/finish.h"
#include "kernels/cpu/vec/ops.h"

enum {
    BLOCK_COLS = 1024,
    MAX_X = 4096,  /* rows of x whose sums are kept at a time */
    STREAM_X = 16, /* up to here rows of x are decoding: weights are widened in registers */
    LINE = 64,
    STEP_COLS = 64, /* columns in one turn of the inner loop: whole lines of every type */
};

/* What a tile fetches for later ones. */
typedef struct tile_hints {
    int64_t ahead;     /* bytes from each weight row to one that will be read soon */
    unsigned prefetch; /* for which of the weight rows: a bit for each */
    const float *soon; /* [count / 2] floats, or NULL */
} tile_hints;

/* Sums over one block of columns for TILE_ROWS weight rows by nr rows of x, added to sums[c][row]. */
typedef struct tile {
    const unsigned char *w[TILE_ROWS];
    const float *x[TILE_COLS];
    int64_t count; /* columns */
    float *sums;
    tile_hints hints;
} tile;

AS_INLINE int size_of(as_dtype type)
{
    return type == AS_F32 ? 4 : type == AS_E4M3 ? 1 : 2;
}

AS_INLINE void close_sums(int nr, const vf acc[TILE_COLS * TILE_ROWS], float *sums)
{
    int c = 0;
#if defined(AS_LEVEL_AVX512)
    for (; c + 4 <= nr; c += 4) {
        float closed[16];
        vf_sum16((const vf(*)[4])(acc + c * TILE_ROWS), closed);
        vf_store(sums + c * 4, vf_add(vf_load(sums + c * 4), vf_load(closed)));
    }
#endif
#pragma GCC unroll 8
    for (; c < nr; c++) {
        float closed[4];
        vf_sum4(acc + c * TILE_ROWS, closed);
        _mm_storeu_ps(sums + c * 4, _mm_add_ps(_mm_loadu_ps(sums + c * 4), _mm_loadu_ps(closed)));
    }
}

/* `part` columns of weights, or a vector where it is 0; e4m3 as 1/256 of its value. */
AS_INLINE vf load_weights(as_dtype type, const unsigned char *at, int part)
{
    if (type == AS_E4M3) return vf_load_e4m3_256th_part(at, part ? part : LANES);
    return part ? vf_load_part_as(type, at, part) : vf_load_as(type, at);
}

/* A vector of columns, or where part is not 0 that many. */
AS_INLINE void tile_step(as_dtype type, int nr, const tile *t, int64_t k, int part,
                         vf acc[TILE_COLS * TILE_ROWS])
{
    vf x[TILE_COLS];
#pragma GCC unroll 8
    for (int c = 0; c < nr; c++) x[c] = part ? vf_load_part(t->x[c] + k, part) : vf_load(t->x[c] + k);
#pragma GCC unroll 8
    for (int r = 0; r < TILE_ROWS; r++) {
        vf w = load_weights(type, t->w[r] + k * size_of(type), part);
#pragma GCC unroll 8
        for (int c = 0; c < nr; c++) acc[c * TILE_ROWS + r] = vf_fma(w, x[c], acc[c * TILE_ROWS + r]);
    }
}

/* Two vectors of columns of e4m3, which are cheaper to widen together. */
AS_INLINE void tile_step_e4m3(int nr, const tile *t, int64_t k, vf acc[TILE_COLS * TILE_ROWS])
{
#pragma GCC unroll 8
    for (int r = 0; r < TILE_ROWS; r++) {
        vf w[2];
        vf_load_e4m3_256th(t->w[r] + k, w);
#pragma GCC unroll 8
        for (int c = 0; c < nr; c++) {
            vf *sum = &acc[c * TILE_ROWS + r];
            *sum = vf_fma(w[0], vf_load(t->x[c] + k), *sum);
            *sum = vf_fma(w[1], vf_load(t->x[c] + k + LANES), *sum);
        }
    }
}

AS_INLINE void prefetch_rows(as_dtype type, const tile *t, int64_t k)
{
#pragma GCC unroll 8
    for (int r = 0; r < TILE_ROWS; r++) {
        if (!(t->hints.prefetch & 1u << r)) continue;
        const unsigned char *next = t->w[r] + k * size_of(type) + t->hints.ahead;
#pragma GCC unroll 8
        for (int line = 0; line < STEP_COLS * size_of(type) / LINE; line++) {
            _mm_prefetch((const char *)next + line * LINE, _MM_HINT_T0);
        }
    }
}

AS_INLINE void dot_tile(as_dtype type, int nr, const tile *t)
{
    vf acc[TILE_COLS * TILE_ROWS];
#pragma GCC unroll 32
    for (int i = 0; i < nr * TILE_ROWS; i++) acc[i] = vf_zero();
    int64_t k = 0;
    for (; k + STEP_COLS <= t->count; k += STEP_COLS) {
        if (t->hints.prefetch) prefetch_rows(type, t, k);
        if (t->hints.soon) {
            _mm_prefetch((const char *)(t->hints.soon + k / 2), _MM_HINT_T1);
            _mm_prefetch((const char *)(t->hints.soon + k / 2) + LINE, _MM_HINT_T1);
        }
#pragma GCC unroll 8
        for (int s = 0; s < STEP_COLS; s += 2 * LANES) {
            if (type == AS_E4M3) {
                tile_step_e4m3(nr, t, k + s, acc);
            } else {
                tile_step(type, nr, t, k + s, 0, acc);
                tile_step(type, nr, t, k + s + LANES, 0, acc);
            }
        }
    }
    for (; k + LANES <= t->count; k += LANES) tile_step(type, nr, t, k, 0, acc);
    if (k < t->count) tile_step(type, nr, t, k, (int)(t->count - k), acc);
    close_sums(nr, acc, t->sums);
}

typedef void tile_function(const tile *t);

#define TILE_FUNCTION(tag, type, nr)                                                                         \
    static void tile_##tag##_##nr(const tile *t)                                                             \
    {                                                                                                        \
        dot_tile(type, nr, t);                                                                               \
    }
#define TILE_FUNCTIONS(nr)                                                                                   \
    TILE_FUNCTION(f32, AS_F32, nr)                                                                           \
    TILE_FUNCTION(f16, AS_F16, nr)                                                                           \
    TILE_FUNCTION(bf16, AS_BF16, nr)                                                                         \
    TILE_FUNCTION(e4m3, AS_E4M3, nr)

TILE_FUNCTIONS(1)
TILE_FUNCTIONS(2)
TILE_FUNCTIONS(3)
#if defined(AS_LEVEL_AVX512)
TILE_FUNCTIONS(4)
TILE_FUNCTIONS(5)
TILE_FUNCTIONS(6)
#define TILE_TABLE(tag)                                                                                      \
    {                                                                                                        \
        tile_##tag##_1, tile_##tag##_2, tile_##tag##_3, tile_##tag##_4, tile_##tag##_5, tile_##tag##_6       \
    }
#else
#define TILE_TABLE(tag)                                                                                      \
    {                                                                                                        \
        tile_##tag##_1, tile_##tag##_2, tile_##tag##_3                                                       \
    }
#endif

static tile_function *tile_for(as_dtype type, int nr)
{
    static tile_function *const f32[] = TILE_TABLE(f32), *const f16[] = TILE_TABLE(f16);
    static tile_function *const bf16[] = TILE_TABLE(bf16), *const e4m3[] = TILE_TABLE(e4m3);
    switch (type) {
    case AS_F16: return f16[nr - 1];
    case AS_BF16: return bf16[nr - 1];
    case AS_E4M3: return e4m3[nr - 1];
    default: return f32[nr - 1];
    }
}

/* Row i of x from column `at`, with its block scales multiplied in (into room) where it has them. */
static const float *x_part(const as_product *p, int64_t i, int64_t at, int64_t count, float *room)
{
    const float *x = as_product_x(p, i) + at;
    if (!p->x_scale || p->x_block == 0) return x;
    int64_t row = as_product_row(p, i) / p->rows_per_x;
    const float *scales = p->x_scale + row * as_ceil_div(p->w->cols, p->x_block);
    for (int64_t k = 0; k < count; k++) room[k] = x[k] * scales[(at + k) / p->x_block];
    return room;
}

/* Weight rows at one block of columns, and where their sums go: [rows / TILE_ROWS][rows of x][TILE_ROWS]. */
typedef struct strip {
    as_dtype type;
    const unsigned char *w; /* of the first row, at the block's first column */
    int64_t w_stride;       /* bytes */
    int64_t rows, count;    /* weight rows, columns of the block */
    float *sums;
    int64_t sums_x; /* rows of x in sums */
} strip;

/* TILE_ROWS rows from `row` on against nr rows of x, the first of which is number i in sums. Behind the last
 * row stands the last row again; its sums are not used. */
static void run_tile(const strip *s, int64_t row, const float *const *x, int nr, int64_t i,
                     const tile_hints *hints)
{
    tile t = {.count = s->count, .hints = *hints};
    for (int r = 0; r < TILE_ROWS; r++) t.w[r] = s->w + as_min_i64(row + r, s->rows - 1) * s->w_stride;
    for (int c = 0; c < nr; c++) t.x[c] = x[c];
    t.sums = s->sums + row * s->sums_x + i * TILE_ROWS;
    tile_for(s->type, nr)(&t);
}

/* Where the parts of a worker's scratch begin. */
typedef struct room {
    float *panel; /* [AS_PANEL_ROWS, BLOCK_COLS] */
    float *x;     /* [STREAM_X, BLOCK_COLS] */
    float *sums;  /* [AS_PANEL_ROWS / TILE_ROWS, MAX_X, TILE_ROWS] */
} room;

static room room_in(unsigned char *scratch)
{
    room r;
    r.panel = (float *)(void *)scratch;
    r.x = r.panel + AS_PANEL_ROWS * BLOCK_COLS;
    r.sums = r.x + STREAM_X * BLOCK_COLS;
    return r;
}

_Static_assert((AS_PANEL_ROWS * BLOCK_COLS + STREAM_X * BLOCK_COLS + MAX_X * AS_PANEL_ROWS) * 4 <=
                   AS_PRODUCT_SCRATCH,
               "the parts fit");

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

static void widen(as_dtype type, const unsigned char *from, float *to, int64_t count)
{
    switch (type) {
    case AS_F16: widen_as(AS_F16, from, to, count); return;
    case AS_BF16: widen_as(AS_BF16, from, to, count); return;
    case AS_E4M3: widen_as(AS_E4M3, from, to, count); return;
    default: widen_as(AS_F32, from, to, count); return;
    }
}

/* Part of one row as float32, with its block scales. */
static void widen_row(const as_matrix *w, int64_t row, int64_t at, int64_t count, float *to)
{
    widen(w->dtype, as_matrix_row(w, row) + at * as_dtype_bytes(w->dtype), to, count);
    if (w->scale != AS_SCALE_BLOCK) return;
    const float *scales = w->scales + row / w->block_rows * as_ceil_div(w->cols, w->block_cols);
    for (int64_t k = 0; k < count;) {
        int64_t block = (at + k) / w->block_cols;
        int64_t stop = as_min_i64(count, (block + 1) * w->block_cols - at);
        for (float scale = scales[block]; k < stop; k++) to[k] *= scale;
    }
}

/* Decoding: the weights pass once. Several groups of x rows take turns at GROUP_ROWS weight rows, each
 * staying in the first-level cache meanwhile, and share the work of prefetching the next ones, so that memory
 * is busy all the time. */
static void run_streaming(const as_product *p, const strip *s, const room *r, int64_t at)
{
    enum { GROUP_ROWS = 16 };
    static const unsigned first_rows[] = {0xF, 0x5, 0x9, 0x1}; /* by number of groups: those of the first */
    const float *x[STREAM_X];
    int groups = (int)as_ceil_div(p->n, TILE_COLS), n = (int)p->n;
    int64_t pass = groups == 1 ? TILE_ROWS : GROUP_ROWS;
    for (int i = 0; i < n; i++) x[i] = x_part(p, i, at, s->count, r->x + i * BLOCK_COLS);
    for (int64_t row = 0; row < s->rows; row += pass) {
        for (int g = 0; g < groups; g++) {
            int from = n * g / groups, nr = n * (g + 1) / groups - from;
            unsigned mine = g < TILE_ROWS ? first_rows[as_min_i64(groups, TILE_ROWS) - 1] << g & 0xF : 0;
            int64_t end = as_min_i64(s->rows, row + pass);
            for (int64_t i = row; i < end; i += TILE_ROWS) {
                tile_hints hints = {.ahead = pass * s->w_stride, .prefetch = mine};
                run_tile(s, i, x + from, nr, from, &hints);
            }
        }
    }
}

/* Half of one of the next TILE_COLS rows of x, for the tile at `row` to fetch; NULL behind the last. */
static const float *soon_needed(const as_product *p, const strip *s, int64_t i, int64_t at, int64_t row)
{
    int64_t piece = row / TILE_ROWS, next = i + TILE_COLS + piece / 2;
    if (piece >= 2 * TILE_COLS || next >= p->n) return NULL;
    return as_product_x(p, next) + at + piece % 2 * (s->count / 2);
}

/* Prefill: TILE_COLS rows of x stay in the first-level cache while the whole strip passes. */
static void run_panel(const as_product *p, const strip *s, const room *r, int64_t at, int64_t from)
{
    for (int64_t i = 0; i < s->sums_x; i += TILE_COLS) {
        const float *x[TILE_COLS];
        int nr = (int)as_min_i64(TILE_COLS, s->sums_x - i);
        for (int c = 0; c < nr; c++) x[c] = x_part(p, from + i + c, at, s->count, r->x + c * BLOCK_COLS);
        for (int64_t row = 0; row < s->rows; row += TILE_ROWS) {
            tile_hints hints = {.soon = soon_needed(p, s, from + i, at, row)};
            run_tile(s, row, x, nr, i, &hints);
        }
    }
}

static void finish_part(const as_product *p, int64_t first, const strip *s, int64_t from)
{
    float sums[AS_PANEL_ROWS], unit = p->w->dtype == AS_E4M3 ? 256 : 1;
    for (int64_t i = 0; i < s->sums_x; i++) {
        for (int64_t row = 0; row < s->rows; row += TILE_ROWS) {
            memcpy(sums + row, s->sums + row * s->sums_x + i * TILE_ROWS, TILE_ROWS * sizeof *sums);
        }
        for (int64_t row = 0; row < s->rows; row += LANES) {
            int count = (int)as_min_i64(LANES, s->rows - row);
            vf sum = vf_mul(vf_load_part(sums + row, count), vf_set(unit));
            finish_vector(p, from + i, first + row, count, sum);
        }
    }
}

/* Rows first..end-1 of w against rows from..until-1 of x. */
static void run_part(const as_product *p, int64_t first, int64_t end, const room *r, int64_t from,
                     int64_t until)
{
    const as_matrix *w = p->w;
    int64_t size = as_dtype_bytes(w->dtype);
    bool streaming = p->n <= STREAM_X && w->scale != AS_SCALE_BLOCK;
    bool widened = !streaming && (w->dtype != AS_F32 || w->scale == AS_SCALE_BLOCK);
    strip s = {.type = widened ? AS_F32 : w->dtype, .rows = end - first, .sums = r->sums};
    s.sums_x = until - from;
    memset(r->sums, 0, (size_t)(as_ceil_div(s.rows, TILE_ROWS) * TILE_ROWS * s.sums_x) * sizeof *r->sums);
    for (int64_t at = 0; at < w->cols; at += BLOCK_COLS) {
        s.count = as_min_i64(BLOCK_COLS, w->cols - at);
        s.w = as_matrix_row(w, first) + at * size;
        s.w_stride = w->stride * size;
        if (widened) {
            for (int64_t row = 0; row < s.rows; row++) {
                widen_row(w, first + row, at, s.count, r->panel + row * BLOCK_COLS);
            }
            s.w = (const unsigned char *)r->panel;
            s.w_stride = BLOCK_COLS * (int64_t)sizeof(float);
        }
        if (streaming) {
            run_streaming(p, &s, r, at);
        } else {
            run_panel(p, &s, r, at, from);
        }
    }
    finish_part(p, first, &s, from);
}

void AS_VARIANT(as_panel)(const as_product *p, int64_t first, int64_t end, unsigned char *scratch)
{
    room r = room_in(scratch);
    for (int64_t from = 0; from < p->n; from += MAX_X) {
        run_part(p, first, end, &r, from, as_min_i64(p->n, from + MAX_X));
    }
}

void AS_VARIANT(matmul)(const as_exec *exec, const as_matmul_args *args)
{
    as_product_matmul(exec, args, AS_VARIANT(as_panel));
}

void AS_VARIANT(expert_matmul)(const as_exec *exec, const as_expert_matmul_args *args)
{
    as_product_experts(exec, args, AS_VARIANT(as_panel), AS_PANEL_ROWS);
}
