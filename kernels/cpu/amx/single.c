/* Decoding of one sequence: a row of x against bf16 or e4m3 weights by vectors, with the bits of the tiles.
 *
 * For one row of x a tile product spends its time on 16 rows of which 15 are not there, and the processor may
 * slow its tiles down further. What one tile product computes is defined (Intel SDM, TDPBF16PS): over the 16
 * pairs of columns in ascending order the products of the even columns are summed by fused multiply-adds,
 * those of the odd ones likewise, and the sum of both is added to the tile's; numbers below 2^-126 are taken
 * and given as zero. Here 16 weight rows lie across the lanes, after a transposition, and go through the same
 * steps. See matmul.c for the order of pieces and blocks. */
#define AS_LEVEL_AVX512
#include "kernels/cpu/amx/single.h"

#include "kernels/cpu/amx/pack.h"
#include "kernels/cpu/vec/finish.h"

enum {
    AHEAD_BYTES = 256, /* by which prefetching precedes reading in each row */
    FLUSH = 0x8040,    /* of MXCSR: denormal numbers are zero */
};

int64_t as_single_bytes(const as_product *p)
{
    return as_ceil_div(p->w->cols, TILE_DEPTH) * MAX_PIECES * TILE_DEPTH * (int64_t)sizeof(float);
}

void as_single_split(const as_product *p, int64_t i, float *pieces)
{
    const float *x = as_product_x(p, i);
    int count = p->x_scale ? 1 : MAX_PIECES;
    for (int64_t at = 0; at < p->w->cols; at += TILE_DEPTH, pieces += count * TILE_DEPTH) {
        for (int64_t half = 0; half < TILE_DEPTH; half += LANES) {
            int64_t left = as_max_i64(0, as_min_i64(LANES, p->w->cols - at - half));
            vf split[MAX_PIECES];
            as_split_pieces(left ? vf_load_part(x + at + half, (int)left) : vf_zero(), split);
            for (int k = 0; k < count; k++) vf_store(pieces + k * TILE_DEPTH + half, split[k]);
        }
    }
}

/* 16 weight rows, and what is fetched meanwhile. */
typedef struct strip {
    const unsigned char *rows[LANES];
    int64_t turn;              /* byte of a row from which on prefetching is in the next rows */
    int64_t ahead, after_turn; /* bytes from what is read to what is prefetched, before and after */
} strip;

/* A step of the strip, transposed: out[k] holds pair k of every row. */
AS_INLINE void load_pairs(as_dtype type, const strip *s, int64_t col, int64_t count, float out[LANES][LANES])
{
    int64_t at = type == AS_E4M3 ? col : 2 * col, ahead = at < s->turn ? s->ahead : s->after_turn;
    vf pairs[LANES];
#pragma GCC unroll 16
    for (int r = 0; r < LANES; r++) {
        _mm_prefetch((const char *)s->rows[r] + at + ahead, _MM_HINT_T0);
        pairs[r] = _mm512_castsi512_ps(as_load_step(type, s->rows[r] + at, count));
    }
    vf_transpose(pairs);
#pragma GCC unroll 16
    for (int k = 0; k < LANES; k++) vf_store(out[k], pairs[k]);
}

/* Adds `steps` steps to the sum. Those of two steps do not wait for each other. */
AS_INLINE vf add_steps(int pieces, int steps, const float pairs[][LANES][LANES], const float *x, vf sum)
{
    vf even[2 * MAX_PIECES], odd[2 * MAX_PIECES];
#pragma GCC unroll 6
    for (int i = 0; i < steps * pieces; i++) even[i] = odd[i] = vf_zero();
#pragma GCC unroll 4
    for (int k = 0; k < LANES; k++) {
#pragma GCC unroll 6
        for (int i = 0; i < steps * pieces; i++) {
            __m512i pair = _mm512_loadu_si512(pairs[i / pieces][k]);
            vf low = _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16));
            vf high = _mm512_castsi512_ps(_mm512_and_si512(pair, _mm512_set1_epi32((int)0xFFFF0000)));
            even[i] = vf_fma(low, vf_set(x[i * TILE_DEPTH + 2 * k]), even[i]);
            odd[i] = vf_fma(high, vf_set(x[i * TILE_DEPTH + 2 * k + 1]), odd[i]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < steps * pieces; i++) sum = vf_add(sum, vf_add(even[i], odd[i]));
    return sum;
}

AS_INLINE vf sum_steps(as_dtype type, int pieces, const as_matrix *w, const strip *s, const float *x,
                       int64_t from, int64_t until)
{
    _Alignas(64) float pairs[2][LANES][LANES];
    vf sum = vf_zero();
    for (int64_t step = from; step < until; step += 2) {
        const float *at = x + step * pieces * TILE_DEPTH;
        int64_t col = step * TILE_DEPTH, left = w->cols - col;
        bool whole = left >= 2 * TILE_DEPTH;
        load_pairs(type, s, col, whole ? TILE_DEPTH : left, pairs[0]);
        if (step + 1 < until) {
            load_pairs(type, s, col + TILE_DEPTH, whole ? TILE_DEPTH : left - TILE_DEPTH, pairs[1]);
            sum = add_steps(pieces, 2, pairs, at, sum);
        } else {
            sum = add_steps(pieces, 1, pairs, at, sum);
        }
    }
    return sum;
}

/* With denormal numbers as zero; not inlined, so that nothing moves into what runs so or out of it. */
typedef void sum_function(const as_matrix *w, const strip *s, const float *x, int64_t from, int64_t until,
                          float sums[LANES]);

#define SUM_FUNCTION(name, type, count)                                                                      \
    static __attribute__((noinline)) void name(const as_matrix *w, const strip *s, const float *x,           \
                                               int64_t from, int64_t until, float sums[LANES])               \
    {                                                                                                        \
        vf_store(sums, sum_steps(type, count, w, s, x, from, until));                                        \
    }

SUM_FUNCTION(sum_bf16, AS_BF16, MAX_PIECES)
SUM_FUNCTION(sum_bf16_rounded, AS_BF16, 1)
SUM_FUNCTION(sum_e4m3, AS_E4M3, 1)

static strip strip_at(const as_matrix *w, int64_t row, int64_t end)
{
    int64_t size = as_dtype_bytes(w->dtype), row_bytes = w->cols * size;
    bool last = row + 2 * LANES > end;
    strip s = {.turn = row_bytes - AHEAD_BYTES, .ahead = AHEAD_BYTES};
    s.after_turn = last ? 0 : AHEAD_BYTES - row_bytes + LANES * w->stride * size;
    for (int64_t r = 0; r < LANES; r++) s.rows[r] = as_matrix_row(w, as_min_i64(row + r, end - 1));
    return s;
}

void as_single_rows(const as_product *p, int64_t i, const float *pieces, int64_t first, int64_t end)
{
    const as_matrix *w = p->w;
    int64_t steps = as_ceil_div(w->cols, TILE_DEPTH);
    sum_function *sum = w->dtype == AS_E4M3 ? sum_e4m3 : p->x_scale ? sum_bf16_rounded : sum_bf16;
    unsigned usual = _mm_getcsr();
    for (int64_t row = first; row < end; row += LANES) {
        strip s = strip_at(w, row, end);
        vf total = vf_zero();
        for (int64_t step = 0; step < steps; step += BLOCK_STEPS) {
            float sums[LANES];
            _mm_setcsr(usual | FLUSH);
            sum(w, &s, pieces, step, as_min_i64(steps, step + BLOCK_STEPS), sums);
            _mm_setcsr(usual);
            total = step == 0 ? vf_load(sums) : vf_add(total, vf_load(sums));
        }
        finish_vector(p, i, row, (int)as_min_i64(LANES, end - row), total);
    }
}
