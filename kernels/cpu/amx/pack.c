/* Splitting and packing; see pack.h.
 *
 * A float32 has 24 significant bits, a bf16 has 8. x is cut, not rounded: high is x without its lower 16
 * bits, middle the same of x - high, low what is left; each difference is exact and each piece a bf16, so
 * that high + middle + low = x. Infinity and NaN stay in high alone. A float16 has 11 bits and gives two
 * pieces in the same way; an e4m3 has 4 and is a bf16. */
#define AS_LEVEL_AVX512
#include "kernels/cpu/amx/pack.h"

#include <string.h>

#include "kernels/cpu/vec/vec.h"

bool as_tiles_take(const as_matrix *w, const float *x_scale, int64_t x_block, int64_t room)
{
    bool type = w->dtype == AS_BF16 || (w->dtype == AS_E4M3 && x_scale);
    bool whole = w->scale != AS_SCALE_BLOCK && !(x_scale && x_block > 0);
    return type && whole && as_ceil_div(w->cols, TILE_DEPTH) * MAX_PIECES * TILE_LINE <= room;
}

void as_pack_plan(const as_product *p, int64_t first, int64_t room, int64_t most, packed *x)
{
    int64_t left = as_min_i64(p->n - first, most);
    x->first = first;
    x->steps = as_ceil_div(p->w->cols, TILE_DEPTH);
    x->pieces = p->x_scale ? 1 : MAX_PIECES; /* what was rounded to e4m3 is a bf16 */
    x->columns = (int)as_min_i64(16, left);
    while (x->columns > 1 && packed_block_bytes(x) > room) x->columns /= 2;
    AS_BUG(packed_block_bytes(x) > room);
    x->blocks = as_min_i64(as_ceil_div(left, x->columns), room / packed_block_bytes(x) * x->workers);
    x->rows = as_min_i64(left, x->blocks * x->columns);
}

/* The upper halves of the lanes of a, then of b. */
AS_INLINE __m512i upper_halves(vf a, vf b)
{
    static const uint16_t order[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                       33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    return _mm512_permutex2var_epi16(_mm512_castps_si512(a), _mm512_loadu_si512(order),
                                     _mm512_castps_si512(b));
}

/* 32 numbers of one row as pieces of 16 pairs. */
AS_INLINE void split(int pieces, vf a, vf b, __m512i out[MAX_PIECES])
{
    vf a_pieces[MAX_PIECES], b_pieces[MAX_PIECES];
    as_split_pieces(a, a_pieces);
    as_split_pieces(b, b_pieces);
#pragma GCC unroll 3
    for (int i = 0; i < pieces; i++) out[i] = upper_halves(a_pieces[i], b_pieces[i]);
}

/* Row i of x, the 32 columns of a step, zero behind the last. */
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
    unsigned char *to = packed_block(x, block) + step * x->pieces * TILE_LINE;
    __m512i pieces[MAX_PIECES];
    vf a, b;
    load_step(p, x->first + block, step, &a, &b);
    split(x->pieces, a, b, pieces);
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
            split(x->pieces, a, b, pieces);
        }
        for (int i = 0; i < x->pieces; i++) rows[i][c] = _mm512_castsi512_ps(pieces[i]);
    }
    unsigned char *to = packed_block(x, block) + step * x->pieces * packed_tile_bytes(x);
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

AS_INLINE void stage_as(as_dtype type, const as_matrix *w, int64_t row, int64_t end, int64_t from,
                        int64_t until, unsigned char *to)
{
    int64_t size = type == AS_E4M3 ? 1 : 2;
    for (int64_t r = 0; r < TILE_LINES; r++) {
        unsigned char *line = to + r * TILE_LINE;
        const unsigned char *at = row + r < end ? as_matrix_row(w, row + r) : NULL;
        for (int64_t step = from; step < until; step++, line += TILE_BYTES) {
            int64_t col = step * TILE_DEPTH, count = w->cols - col;
            __m512i value = _mm512_setzero_si512();
            if (at) value = as_load_step(type, at + col * size, count);
            _mm512_storeu_si512(line, value);
        }
    }
}

void as_stage_weights(const as_matrix *w, int64_t row, int64_t end, int64_t from, int64_t until,
                      unsigned char *to)
{
    if (w->dtype == AS_E4M3) {
        stage_as(AS_E4M3, w, row, end, from, until, to);
    } else {
        stage_as(AS_BF16, w, row, end, from, until, to);
    }
}
