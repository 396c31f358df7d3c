/* Splitting and packing rows of x; see pack.h.
 *
 * A float32 has 24 significant bits, a bf16 has 8. x is cut, not rounded: high is x without its lower 16
 * bits, middle the same of x - high, low what is left; each difference is exact and each piece a bf16, so
 * that high + middle + low = x. Infinity and NaN stay in high alone. */
#define AS_LEVEL_AVX512
#include "kernels/cpu/amx/pack.h"

#include "kernels/cpu/vec/vec.h"

packed as_pack_plan(const as_product *p, int64_t first, int64_t room, int64_t most)
{
    packed x = {.first = first, .columns = 16, .pieces = pieces_for(p)};
    x.steps = as_ceil_div(p->w->cols, TILE_DEPTH);
    int64_t left = as_min_i64(p->n - first, most);
    if (left < 16) x.columns = (int)left;
    while (x.columns > 1 && packed_block_bytes(&x) > room) x.columns /= 2;
    AS_BUG(packed_block_bytes(&x) > room);
    x.blocks = as_min_i64(as_ceil_div(left, x.columns), room / packed_block_bytes(&x));
    x.rows = as_min_i64(left, x.blocks * x.columns);
    return x;
}

/* The upper halves of the lanes of a, then of b. */
static __m512i upper_halves(vf a, vf b)
{
    static const uint16_t order[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                       33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    return _mm512_permutex2var_epi16(_mm512_castps_si512(a), _mm512_loadu_si512(order),
                                     _mm512_castps_si512(b));
}

static vf cut(vf x)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32((int)0xFFFF0000)));
}

/* x - high for numbers, 0 for infinity and NaN; high of a NaN stays one. */
static vf take_high(vf x, vf *high)
{
    vm odd = vf_not_finite(x), nan = vf_is_nan(x);
    __m512i bits = _mm512_castps_si512(cut(x));
    *high = _mm512_castsi512_ps(_mm512_mask_or_epi32(bits, nan, bits, _mm512_set1_epi32(0x400000)));
    return vf_select(odd, vf_zero(), vf_sub(x, cut(x)));
}

/* 32 numbers of one row as pieces of 16 pairs. */
static void split(vf a, vf b, int pieces, __m512i out[MAX_PIECES])
{
    vf a_high, b_high, a_rest = take_high(a, &a_high), b_rest = take_high(b, &b_high);
    out[0] = upper_halves(a_high, b_high);
    if (pieces == 1) return;
    vf a_middle = cut(a_rest), b_middle = cut(b_rest);
    out[1] = upper_halves(a_middle, b_middle);
    out[2] = upper_halves(vf_sub(a_rest, a_middle), vf_sub(b_rest, b_middle));
}

/* Row i of x, 32 columns of step `step`, zero behind the last. */
static void load_step(const as_product *p, int64_t i, int64_t step, vf *a, vf *b)
{
    const float *x = as_product_x(p, i) + step * TILE_DEPTH;
    int64_t left = p->w->cols - step * TILE_DEPTH;
    *a = vf_load_part(x, (int)as_min_i64(LANES, left));
    *b = left > LANES ? vf_load_part(x + LANES, (int)as_min_i64(LANES, left - LANES)) : vf_zero();
}

/* One row alone: its pairs follow each other. */
static void pack_single(const as_product *p, const packed *x, int64_t block, int64_t step)
{
    unsigned char *to = x->data + block * packed_block_bytes(x) + step * x->pieces * TILE_LINE;
    __m512i pieces[MAX_PIECES];
    vf a, b;
    load_step(p, x->first + block, step, &a, &b);
    split(a, b, x->pieces, pieces);
    for (int i = 0; i < x->pieces; i++) _mm512_storeu_si512(to + i * TILE_LINE, pieces[i]);
}

static void pack_block(const as_product *p, const packed *x, int64_t block, int64_t step)
{
    vf rows[MAX_PIECES][LANES];
    int64_t first = block * x->columns, count = as_min_i64(x->columns, x->rows - first);
    for (int64_t c = 0; c < LANES; c++) {
        __m512i pieces[MAX_PIECES] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
        if (c < count) {
            vf a, b;
            load_step(p, x->first + first + c, step, &a, &b);
            split(a, b, x->pieces, pieces);
        }
        for (int i = 0; i < x->pieces; i++) rows[i][c] = _mm512_castsi512_ps(pieces[i]);
    }
    unsigned char *to = x->data + block * packed_block_bytes(x) + step * x->pieces * packed_tile_bytes(x);
    for (int i = 0; i < x->pieces; i++, to += packed_tile_bytes(x)) {
        vf_transpose(rows[i]);
        for (int line = 0; line < TILE_LINES; line++) {
            vf_store_part((float *)(void *)(to + line * 4 * x->columns), rows[i][line], x->columns);
        }
    }
}

void as_pack_steps(const as_product *p, const packed *x, int64_t from, int64_t until)
{
    for (int64_t block = 0; block < x->blocks; block++) {
        for (int64_t step = from; step < until; step++) {
            if (x->columns == 1) {
                pack_single(p, x, block, step);
            } else {
                pack_block(p, x, block, step);
            }
        }
    }
}
