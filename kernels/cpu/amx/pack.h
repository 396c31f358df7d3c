/* Both operands as the tiles take them: rows of x split into bf16 pieces, weights as bf16. */
#ifndef AS_KERNELS_CPU_AMX_PACK_H
#define AS_KERNELS_CPU_AMX_PACK_H

#include "kernels/cpu/amx/tiles.h"
#include "kernels/cpu/product.h"
#include "kernels/cpu/vec/vec.h"

enum {
    MAX_PIECES = 3,
    BLOCK_STEPS = 32, /* steps whose sums are closed together */
};

/* Rows of x: [blocks][steps][pieces] tiles of TILE_LINES lines of `columns` pairs. A step is 32 columns; line
 * i holds columns 2i and 2i + 1 of it, or where `apart`, i and i + 16. Block b lies in the scratch of worker
 * b % workers. */
typedef struct packed {
    unsigned char *data;
    int64_t stride; /* bytes from one worker's room to the next */
    int workers;
    int64_t first, rows; /* rows of x of the product */
    int64_t blocks, steps;
    int pieces, columns; /* columns: rows of x in a block */
} packed;

static inline int64_t packed_tile_bytes(const packed *x)
{
    return (int64_t)TILE_LINES * 4 * x->columns;
}

static inline int64_t packed_block_bytes(const packed *x)
{
    return x->steps * x->pieces * packed_tile_bytes(x);
}

static inline unsigned char *packed_block(const packed *x, int64_t block)
{
    return x->data + block % x->workers * x->stride + block / x->workers * packed_block_bytes(x);
}

/* Whether the tiles take the product: bf16 weights, or e4m3 where x was rounded to it too. What decides does
 * not depend on the number of rows. room: bytes for packed x. */
bool as_tiles_take(const as_matrix *w, const float *x_scale, int64_t x_block, int64_t room);

/* The layout for the rows first.. of the product: as many as fit in `room` bytes of each worker, at most
 * `most`, at least one. data, stride and workers are set by the caller beforehand. */
void as_pack_plan(const as_product *p, int64_t first, int64_t room, int64_t most, packed *x);

/* Packs steps from..until-1 of every block. */
void as_pack_steps(const as_product *p, const packed *x, int64_t from, int64_t until);

/* Rows row..row+15 (zero from `end` on) of steps from..until-1 as whole tiles. */
void as_stage_weights(const as_matrix *w, int64_t row, int64_t end, int64_t from, int64_t until,
                      unsigned char *to);

AS_INLINE vf as_cut(vf x)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32((int)0xFFFF0000)));
}

/* x - high for numbers, 0 for infinity and NaN; high of a NaN stays one. */
AS_INLINE vf as_take_high(vf x, vf *high)
{
    vm odd = vf_not_finite(x), nan = vf_is_nan(x);
    __m512i bits = _mm512_castps_si512(as_cut(x));
    *high = _mm512_castsi512_ps(_mm512_mask_or_epi32(bits, nan, bits, _mm512_set1_epi32(0x400000)));
    return vf_select(odd, vf_zero(), vf_sub(x, as_cut(x)));
}

/* The pieces of x: bf16 numbers as float32. */
AS_INLINE void as_split_pieces(vf x, vf pieces[MAX_PIECES])
{
    vf rest = as_take_high(x, &pieces[0]);
    pieces[1] = as_cut(rest);
    pieces[2] = as_cut(vf_sub(rest, pieces[1]));
}

/* The first count of 32 bf16. */
AS_INLINE __m512i as_load_bf16(const unsigned char *from, int64_t count)
{
    if (count >= 32) return _mm512_loadu_si512(from);
    return _mm512_maskz_loadu_epi16((1u << count) - 1, from);
}

/* 32 e4m3 as bf16: the exponent moved, the eight smallest magnitudes by a table. */
AS_INLINE __m512i as_widen_e4m3(const unsigned char *from, int64_t count)
{
    static const uint16_t small[32] = {0x0000, 0x3B00, 0x3B80, 0x3BC0, 0x3C00, 0x3C20, 0x3C40, 0x3C60};
    __mmask32 some = count >= 32 ? 0xFFFFFFFF : (1u << count) - 1;
    __m512i wide = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(some, from));
    __m512i magnitude = _mm512_and_si512(wide, _mm512_set1_epi16(0x7F));
    __m512i sign = _mm512_and_si512(wide, _mm512_set1_epi16((short)0x8000));
    __m512i value = _mm512_add_epi16(_mm512_slli_epi16(magnitude, 4), _mm512_set1_epi16((127 - 7) << 7));
    __mmask32 is_small = _mm512_cmplt_epi16_mask(magnitude, _mm512_set1_epi16(8));
    __mmask32 is_nan = _mm512_cmpeq_epi16_mask(magnitude, _mm512_set1_epi16(0x7F));
    value = _mm512_mask_permutexvar_epi16(value, is_small, magnitude, _mm512_loadu_si512(small));
    value = _mm512_mask_mov_epi16(value, is_nan, _mm512_set1_epi16(0x7FC0));
    return _mm512_or_si512(value, sign);
}

/* 32 weights as bf16. */
AS_INLINE __m512i as_load_step(as_dtype type, const unsigned char *from, int64_t count)
{
    return type == AS_E4M3 ? as_widen_e4m3(from, count) : as_load_bf16(from, count);
}

#endif
