/* Matrix products as dot products with one order of sums, whatever the number of rows of x.
 *
 * The columns are taken in blocks of BLOCK_COLS. In a block, lane l of a vector sums the products of columns
 * l, l + LANES, l + 2 LANES, ... in ascending order with fused multiply-adds; the lanes are then summed as a
 * tree (vf_sum), and the sums of the blocks are added in ascending order. Register tiles of several weight
 * rows by several rows of x change nothing in this order.
 *
 * Up to STREAM_X rows of x (decoding): weights are widened in registers on their way from memory, eight rows
 * side by side where the sums fit into registers. More: panel.c. Scales by block, of weights
 * or of x, are multiplied in while widening; others scale the finished sum, as does the factor 256 that is
 * left out of e4m3 weights. */
#include "kernels/cpu/vec/panel.h"
#include "kernels/cpu/vec/sums.h"

enum {
    STREAM_X = 16,      /* up to here rows of x are decoding: weights are widened in registers */
    MOST_QUADS = 2,     /* quads of weight rows in a tile; a quad is TILE_ROWS */
    AHEAD_BYTES = 1024, /* by which each weight row's reading is preceded by prefetching, in decoding */
    LINE = 64,
    STEP_COLS = 64, /* columns in one turn of the inner loop: whole lines of every type */
};

/* What a tile fetches for later ones. */
typedef struct tile_hints {
    int64_t ahead; /* bytes from each weight row to one that will be read soon */
    int64_t turn;  /* column from which on it is ahead_after instead */
    int64_t ahead_after;
    unsigned prefetch; /* for which of the weight rows: a bit for each */
} tile_hints;

/* Sums over one block of columns for `quads` times TILE_ROWS weight rows by nr rows of x, those of quad q
 * added to sums[q * quad_stride][c][row]. */
typedef struct tile {
    const unsigned char *w[MOST_QUADS * TILE_ROWS];
    const float *x[TILE_COLS];
    int64_t count; /* columns */
    float *sums;
    int64_t quad_stride;
    tile_hints hints;
} tile;

/* A vector of columns, or where part is not 0 that many. Sum number (q * nr + c) * TILE_ROWS + r is that of
 * row r of quad q and row c of x. */
AS_INLINE void tile_step(as_dtype type, int quads, int nr, const tile *t, int64_t k, int part, vf *acc)
{
    vf x[TILE_COLS];
#pragma GCC unroll 8
    for (int c = 0; c < nr; c++) x[c] = part ? vf_load_part(t->x[c] + k, part) : vf_load(t->x[c] + k);
#pragma GCC unroll 8
    for (int i = 0; i < quads * TILE_ROWS; i++) {
        vf w = load_weights(type, t->w[i] + k * size_of(type), part);
        vf *sum = acc + i / TILE_ROWS * nr * TILE_ROWS + i % TILE_ROWS;
#pragma GCC unroll 8
        for (int c = 0; c < nr; c++) sum[c * TILE_ROWS] = vf_fma(w, x[c], sum[c * TILE_ROWS]);
    }
}

/* Two vectors of columns of e4m3, which are cheaper to widen together. */
AS_INLINE void tile_step_e4m3(int quads, int nr, const tile *t, int64_t k, vf *acc)
{
#pragma GCC unroll 8
    for (int i = 0; i < quads * TILE_ROWS; i++) {
        vf w[2], *sum = acc + i / TILE_ROWS * nr * TILE_ROWS + i % TILE_ROWS;
        vf_load_e4m3_256th(t->w[i] + k, w);
#pragma GCC unroll 8
        for (int c = 0; c < nr; c++) {
            sum[c * TILE_ROWS] = vf_fma(w[0], vf_load(t->x[c] + k), sum[c * TILE_ROWS]);
            sum[c * TILE_ROWS] = vf_fma(w[1], vf_load(t->x[c] + k + LANES), sum[c * TILE_ROWS]);
        }
    }
}

AS_INLINE void prefetch_rows(as_dtype type, int quads, const tile *t, int64_t k)
{
    int64_t ahead = k * size_of(type) + (k < t->hints.turn ? t->hints.ahead : t->hints.ahead_after);
#pragma GCC unroll 8
    for (int r = 0; r < quads * TILE_ROWS; r++) {
        if (quads == 1 && !(t->hints.prefetch & 1u << r)) continue;
#pragma GCC unroll 8
        for (int line = 0; line < STEP_COLS * size_of(type) / LINE; line++) {
            _mm_prefetch((const char *)t->w[r] + ahead + line * LINE, _MM_HINT_T0);
        }
    }
}

AS_INLINE void dot_tile(as_dtype type, int quads, int nr, const tile *t)
{
    vf acc[MOST_QUADS * TILE_COLS * TILE_ROWS];
#pragma GCC unroll 32
    for (int i = 0; i < quads * nr * TILE_ROWS; i++) acc[i] = vf_zero();
    int64_t k = 0;
    for (; k + STEP_COLS <= t->count; k += STEP_COLS) {
        if (t->hints.prefetch) prefetch_rows(type, quads, t, k);
#pragma GCC unroll 8
        for (int s = 0; s < STEP_COLS; s += 2 * LANES) {
            if (type == AS_E4M3) {
                tile_step_e4m3(quads, nr, t, k + s, acc);
            } else {
                tile_step(type, quads, nr, t, k + s, 0, acc);
                tile_step(type, quads, nr, t, k + s + LANES, 0, acc);
            }
        }
    }
    for (; k + LANES <= t->count; k += LANES) tile_step(type, quads, nr, t, k, 0, acc);
    if (k < t->count) tile_step(type, quads, nr, t, k, (int)(t->count - k), acc);
#pragma GCC unroll 2
    for (int q = 0; q < quads; q++) close_sums(nr, acc + q * nr * TILE_ROWS, t->sums + q * t->quad_stride);
}

typedef void tile_function(const tile *t);

#define TILE_FUNCTION(tag, type, quads, nr)                                                                  \
    static void tile_##tag##_##quads##x##nr(const tile *t)                                                   \
    {                                                                                                        \
        dot_tile(type, quads, nr, t);                                                                        \
    }
#define TILE_FUNCTIONS(quads, nr)                                                                            \
    TILE_FUNCTION(f32, AS_F32, quads, nr)                                                                    \
    TILE_FUNCTION(f16, AS_F16, quads, nr)                                                                    \
    TILE_FUNCTION(bf16, AS_BF16, quads, nr)                                                                  \
    TILE_FUNCTION(e4m3, AS_E4M3, quads, nr)

TILE_FUNCTIONS(1, 1)
TILE_FUNCTIONS(1, 2)
TILE_FUNCTIONS(1, 3)
TILE_FUNCTIONS(2, 1)
#if defined(AS_LEVEL_AVX512)
TILE_FUNCTIONS(1, 4)
TILE_FUNCTIONS(1, 5)
TILE_FUNCTIONS(1, 6)
TILE_FUNCTIONS(2, 2)
TILE_FUNCTIONS(2, 3)
#define TILE_TABLE(tag)                                                                                      \
    {                                                                                                        \
        {tile_##tag##_1x1, tile_##tag##_1x2, tile_##tag##_1x3,                                               \
         tile_##tag##_1x4, tile_##tag##_1x5, tile_##tag##_1x6},                                              \
        {                                                                                                    \
            tile_##tag##_2x1, tile_##tag##_2x2, tile_##tag##_2x3                                             \
        }                                                                                                    \
    }
enum { TWO_QUADS_X = 3 }; /* rows of x up to which a tile may have two quads */
#else
#define TILE_TABLE(tag)                                                                                      \
    {                                                                                                        \
        {tile_##tag##_1x1, tile_##tag##_1x2, tile_##tag##_1x3},                                              \
        {                                                                                                    \
            tile_##tag##_2x1                                                                                 \
        }                                                                                                    \
    }
enum { TWO_QUADS_X = 1 };
#endif

typedef tile_function *tile_table[MOST_QUADS][TILE_COLS];

static tile_function *tile_for(as_dtype type, int quads, int nr)
{
    static const tile_table f32 = TILE_TABLE(f32), f16 = TILE_TABLE(f16);
    static const tile_table bf16 = TILE_TABLE(bf16), e4m3 = TILE_TABLE(e4m3);
    switch (type) {
    case AS_F16: return f16[quads - 1][nr - 1];
    case AS_BF16: return bf16[quads - 1][nr - 1];
    case AS_E4M3: return e4m3[quads - 1][nr - 1];
    default: return f32[quads - 1][nr - 1];
    }
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

/* quads * TILE_ROWS rows from `row` on against nr rows of x, the first of which is number i in sums. Behind
 * the last row stands the last row again; its sums are not used. */
static void run_tile(const strip *s, int64_t row, int quads, const float *const *x, int nr, int64_t i,
                     const tile_hints *hints)
{
    tile t = {.count = s->count, .hints = *hints, .quad_stride = s->sums_x * TILE_ROWS};
    for (int r = 0; r < quads * TILE_ROWS; r++) {
        t.w[r] = s->w + as_min_i64(row + r, s->rows - 1) * s->w_stride;
    }
    for (int c = 0; c < nr; c++) t.x[c] = x[c];
    t.sums = s->sums + row * s->sums_x + i * TILE_ROWS;
    tile_for(s->type, quads, nr)(&t);
}

/* Where the parts of a worker's scratch begin. */
typedef struct room {
    float *x;    /* [STREAM_X, BLOCK_COLS] */
    float *sums; /* [rows / TILE_ROWS, n, TILE_ROWS] */
} room;

static room room_in(unsigned char *scratch)
{
    room r;
    r.x = (float *)(void *)scratch;
    r.sums = r.x + STREAM_X * BLOCK_COLS;
    return r;
}

_Static_assert((STREAM_X * BLOCK_COLS + AS_STREAM_ROWS * TILE_COLS) * 4 <= AS_PRODUCT_SCRATCH &&
                   (STREAM_X * BLOCK_COLS + AS_MOST_PANEL_ROWS * STREAM_X) * 4 <= AS_PRODUCT_SCRATCH,
               "the parts fit");

/* Decoding few rows: as many weight rows as have their sums in registers are read side by side to their ends,
 * each preceded by prefetching which goes on with the next rows, so that memory never waits for the start of
 * a row. s: the rows first.. at column 0. */
static void run_reading(const as_product *p, strip *s, const room *r)
{
    const unsigned char *start = s->w;
    int nr = (int)p->n, quads = nr <= TWO_QUADS_X ? 2 : 1;
    int64_t size = size_of(s->type), pass = quads * TILE_ROWS, cols = p->w->cols;
    for (int64_t row = 0; row < s->rows; row += pass) {
        int64_t to_next = row + pass < s->rows ? pass * s->w_stride - cols * size : 0;
        for (int64_t at = 0; at < cols; at += s->count) {
            const float *x[TILE_COLS];
            s->count = as_min_i64(BLOCK_COLS, cols - at);
            s->w = start + at * size;
            for (int c = 0; c < nr; c++) x[c] = x_part(p, c, at, s->count, r->x + c * BLOCK_COLS);
            tile_hints hints = {.ahead = AHEAD_BYTES, .ahead_after = AHEAD_BYTES + to_next, .prefetch = 0xF};
            hints.turn = cols - at - AHEAD_BYTES / size;
            run_tile(s, row, quads, x, nr, 0, &hints);
        }
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
    for (int i = 0; i < n; i++) x[i] = x_part(p, i, at, s->count, r->x + i * BLOCK_COLS);
    for (int64_t row = 0; row < s->rows; row += GROUP_ROWS) {
        for (int g = 0; g < groups; g++) {
            int from = n * g / groups, nr = n * (g + 1) / groups - from;
            unsigned mine = g < TILE_ROWS ? first_rows[as_min_i64(groups, TILE_ROWS) - 1] << g & 0xF : 0;
            int64_t end = as_min_i64(s->rows, row + GROUP_ROWS);
            for (int64_t i = row; i < end; i += TILE_ROWS) {
                tile_hints hints = {.ahead = GROUP_ROWS * s->w_stride, .turn = BLOCK_COLS, .prefetch = mine};
                run_tile(s, i, 1, x + from, nr, from, &hints);
            }
        }
    }
}

/* Weights that are widened in registers; others are a panel at a time. */
static bool can_stream(const as_matrix *w)
{
    return w->scale != AS_SCALE_BLOCK && !as_dtype_is_blocks(w->dtype);
}

static strip strip_of(const as_matrix *w, int64_t first, int64_t end, int64_t sums_x, const room *r)
{
    int64_t tile_rows = MOST_QUADS * TILE_ROWS;
    strip s = {
        .type = w->dtype, .w = as_matrix_row(w, first), .w_stride = as_dtype_span(w->dtype, w->stride)};
    s.rows = end - first;
    s.sums = r->sums;
    s.sums_x = sums_x;
    int64_t sums = as_ceil_div(s.rows, tile_rows) * tile_rows * sums_x;
    memset(s.sums, 0, (size_t)sums * sizeof *s.sums);
    return s;
}

/* Decoding: rows first..end-1 of w, any number of them, against the few rows of x. */
static void read_part(const as_product *p, int64_t first, int64_t end, const room *r)
{
    strip s = strip_of(p->w, first, end, p->n, r);
    run_reading(p, &s, r);
    finish_sums(p, first, s.rows, s.sums, s.sums_x, 0);
}

/* The same for more rows of x than a tile has. */
static void stream_part(const as_product *p, int64_t first, int64_t end, const room *r)
{
    strip s = strip_of(p->w, first, end, p->n, r);
    const unsigned char *start = s.w;
    for (int64_t at = 0; at < p->w->cols; at += BLOCK_COLS) {
        s.count = as_min_i64(BLOCK_COLS, p->w->cols - at);
        s.w = start + as_dtype_span(p->w->dtype, at);
        run_streaming(p, &s, r, at);
    }
    finish_sums(p, first, s.rows, s.sums, s.sums_x, 0);
}

void AS_VARIANT(as_panel)(const as_product *p, int64_t first, int64_t end, unsigned char *scratch)
{
    room r = room_in(scratch);
    bool streams = can_stream(p->w);
    if (p->n <= TILE_COLS && streams) {
        read_part(p, first, end, &r);
        return;
    }
    for (int64_t row = first; row < end; row += AS_MOST_PANEL_ROWS) {
        int64_t stop = as_min_i64(end, row + AS_MOST_PANEL_ROWS);
        if (p->n <= STREAM_X && streams) {
            stream_part(p, row, stop, &r);
        } else {
            AS_VARIANT(as_packed_panel)(p, row, stop, scratch);
        }
    }
}

void AS_VARIANT(matmul)(const as_exec *exec, const as_matmul_args *args)
{
    as_product_matmul(exec, args, AS_VARIANT(as_panel));
}

void AS_VARIANT(expert_matmul)(const as_exec *exec, const as_expert_matmul_args *args)
{
    as_product_experts(exec, args, AS_VARIANT(as_panel), as_panel_rows());
}
