/* Vectors for the kernels that are written once and built once for each level (avx2, avx512). The level's own
 * header defines:
 *
 *   vf, LANES                  a vector of floats; vm: a mask of lanes
 *   AS_VARIANT(name)           name_avx2, name_avx512
 *   vf_load, vf_store          whole vectors at any address; _part: the first count lanes, zero behind them
 *   vf_load_f16, _bf16, _e4m3  the same from the narrow types; vf_store_f16, ...: rounded to nearest even,
 *                              e4m3 saturating, the first count lanes
 *   vf_load_e4m3_256th         two vectors of e4m3, each value divided by 256: cheaper; _part: one, in part
 *   vf_load_i8                 a vector of 8-bit integers
 *   vf_fma(a, b, c)            a * b + c, rounded once; vf_fnma: c - a * b
 *   vf_max, vf_min             of (a, b): b where either is NaN
 *   vf_scale2(a, n)            a * 2^n
 *   vf_sqrt(a)                 rounded once
 *   vf_select(m, yes, no), vf_lt, vf_le, vf_is_nan, vf_not_finite, vm_and, vm_or, vm_any, vm_none, vm_first
 *   vf_sum                     of all lanes, as a tree: the upper half onto the lower until one is left
 *   vf_sum4                    four such sums at once, the same bits
 *   vf_largest                 of all lanes, none of them NaN
 *   vf_swap_pairs, vf_double_up, vf_negate_even    for rotations of neighbours
 *   vf_transpose(r)            LANES vectors as a square
 *   TILE_ROWS, ...             register tiles that suit the level
 */
#ifndef AS_KERNELS_CPU_VEC_VEC_H
#define AS_KERNELS_CPU_VEC_VEC_H

#include "kernels/cpu/cpu.h"

#if defined(AS_LEVEL_AVX512)
#include "kernels/cpu/avx512/vec_avx512.h"
#elif defined(AS_LEVEL_AVX2)
#include "kernels/cpu/avx2/vec_avx2.h"
#else
#error "built for no level"
#endif

#define AS_INLINE static inline __attribute__((always_inline))

/* Whole vectors and parts from a float type; `type` is a constant where it is inlined. */
AS_INLINE vf vf_load_as(as_dtype type, const void *p)
{
    if (type == AS_F16) return vf_load_f16(p);
    if (type == AS_BF16) return vf_load_bf16(p);
    if (type == AS_E4M3) return vf_load_e4m3(p);
    return vf_load((const float *)p);
}

AS_INLINE vf vf_load_part_as(as_dtype type, const void *p, int count)
{
    if (type == AS_F16) return vf_load_f16_part(p, count);
    if (type == AS_BF16) return vf_load_bf16_part(p, count);
    if (type == AS_E4M3) return vf_load_e4m3_part(p, count);
    return vf_load_part((const float *)p, count);
}

AS_INLINE void vf_store_as(as_dtype type, void *p, vf v, int count)
{
    if (type == AS_F16) {
        vf_store_f16(p, v, count);
    } else if (type == AS_BF16) {
        vf_store_bf16(p, v, count);
    } else if (type == AS_E4M3) {
        vf_store_e4m3(p, v, count);
    } else if (count == LANES) {
        vf_store((float *)p, v);
    } else {
        vf_store_part((float *)p, v, count);
    }
}

#endif
