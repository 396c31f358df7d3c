/* The vector of 8 floats behind kernels/cpu/vec: AVX2, FMA, F16C. See vec/vec.h for what each does. */
#ifndef AS_KERNELS_CPU_AVX2_VEC_AVX2_H
#define AS_KERNELS_CPU_AVX2_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define AS_VARIANT(name) name##_avx2

enum {
    LANES = 8,
    TILE_ROWS = 4, /* matrix product: weight rows by rows of x in registers */
    TILE_COLS = 3,
    UPDATE_ROWS = 6, /* attention: queries by vectors of keys (or of values) in registers */
    UPDATE_VECTORS = 2,
};

typedef __m256 vf;
typedef __m256 vm; /* all ones or all zeros in each lane */

static inline __m256i vm_first_bits(int count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vm vm_first(int count)
{
    return _mm256_castsi256_ps(vm_first_bits(count));
}

static inline vf vf_zero(void)
{
    return _mm256_setzero_ps();
}

static inline vf vf_set(float x)
{
    return _mm256_set1_ps(x);
}

static inline vf vf_iota(void)
{
    return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7);
}

static inline vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline vf vf_load_part(const float *p, int count)
{
    return _mm256_maskload_ps(p, vm_first_bits(count));
}

static inline void vf_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v);
}

static inline void vf_store_part(float *p, vf v, int count)
{
    _mm256_maskstore_ps(p, vm_first_bits(count), v);
}

static inline vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}

static inline vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}

static inline vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}

static inline vf vf_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vf vf_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

static inline vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}

static inline vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}

static inline vf vf_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}

static inline vf vf_abs(vf a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

static inline vf vf_copysign(vf magnitude, vf sign)
{
    return _mm256_or_ps(vf_abs(magnitude), _mm256_and_ps(sign, _mm256_set1_ps(-0.0f)));
}

static inline vf vf_round(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* n within -252..254, in two factors so that the ends of the range come out right. */
static inline vf vf_scale2(vf a, vf n)
{
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    __m256i rest = _mm256_sub_epi32(whole, half), bias = _mm256_set1_epi32(127);
    vf first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    vf second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(a, first), second);
}

static inline vm vf_lt(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

static inline vm vf_le(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}

static inline vm vf_is_nan(vf a)
{
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}

static inline vm vf_not_finite(vf a)
{
    return _mm256_cmp_ps(vf_abs(a), _mm256_set1_ps(3.402823466e38f), _CMP_NLE_UQ);
}

static inline vm vm_and(vm a, vm b)
{
    return _mm256_and_ps(a, b);
}

static inline vm vm_or(vm a, vm b)
{
    return _mm256_or_ps(a, b);
}

static inline vm vm_none(void)
{
    return _mm256_setzero_ps();
}

static inline int vm_any(vm a)
{
    return _mm256_movemask_ps(a) != 0;
}

static inline vf vf_select(vm m, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, m);
}

static inline vf vf_swap_pairs(vf a)
{
    return _mm256_permute_ps(a, 0xB1);
}

static inline vf vf_double_up(const float *p)
{
    __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), twice);
}

static inline vf vf_negate_even(vf a)
{
    return _mm256_xor_ps(a, _mm256_setr_ps(-0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f, 0));
}

static inline float vf_sum(vf v)
{
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

static inline float vf_largest(vf v)
{
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

/* a and b folded to four lanes each: [a, b]. */
static inline vf vf_fold_two(vf a, vf b)
{
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

static inline void vf_sum4(const vf v[4], float out[4])
{
    vf ab = vf_fold_two(v[0], v[1]), cd = vf_fold_two(v[2], v[3]);
    vf t = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xEE));
    t = _mm256_add_ps(_mm256_shuffle_ps(t, t, 0x88), _mm256_shuffle_ps(t, t, 0xDD)); /* a c . . b d . . */
    __m128 sums = _mm_unpacklo_ps(_mm256_castps256_ps128(t), _mm256_extractf128_ps(t, 1));
    _mm_storeu_ps(out, sums);
}

/* Quads of floats that lie `stride` floats apart, one behind the other; zeros behind `quads` of them. */
static inline vf vf_of_quads(const float *at, int64_t stride, int quads)
{
    vf v = _mm256_zextps128_ps256(_mm_loadu_ps(at));
    return quads > 1 ? _mm256_insertf128_ps(v, _mm_loadu_ps(at + stride), 1) : v;
}

static inline vf vf_of_f16(__m128i h)
{
    return _mm256_cvtph_ps(h);
}

/* The first count 16-bit elements, zero behind them. */
static inline __m128i load_part_16(const void *p, int count)
{
    uint16_t room[8] = {0};
    memcpy(room, p, (size_t)count * sizeof room[0]);
    return _mm_loadu_si128((const __m128i *)room);
}

static inline vf vf_load_f16(const void *p)
{
    return vf_of_f16(_mm_loadu_si128((const __m128i *)p));
}

static inline vf vf_load_f16_part(const void *p, int count)
{
    return vf_of_f16(load_part_16(p, count));
}

static inline vf vf_of_bf16(__m128i b)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(b), 16));
}

static inline vf vf_load_bf16(const void *p)
{
    return vf_of_bf16(_mm_loadu_si128((const __m128i *)p));
}

static inline vf vf_load_bf16_part(const void *p, int count)
{
    return vf_of_bf16(load_part_16(p, count));
}

/* The bits of an e4m3 are those of a float16 of 1/256 of its value, but for NaN. */
static inline __m256i f16_of_e4m3(__m128i e)
{
    __m256i wide = _mm256_cvtepi8_epi16(e);
    __m256i half = _mm256_and_si256(_mm256_slli_epi16(wide, 7), _mm256_set1_epi16((short)0xBFFF));
    __m256i magnitude = _mm256_and_si256(wide, _mm256_set1_epi16(0x7F));
    __m256i nan = _mm256_cmpeq_epi16(magnitude, _mm256_set1_epi16(0x7F));
    return _mm256_or_si256(half, _mm256_and_si256(nan, _mm256_set1_epi16(0x7E00)));
}

static inline vf vf_of_e4m3(__m128i e)
{
    __m128i half = _mm256_castsi256_si128(f16_of_e4m3(e));
    return _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(256.0f));
}

static inline vf vf_load_e4m3_256th_part(const void *p, int count)
{
    uint8_t room[16] = {0};
    memcpy(room, p, (size_t)count);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(f16_of_e4m3(_mm_loadu_si128((const __m128i *)room))));
}

static inline void vf_load_e4m3_256th(const void *p, vf out[2])
{
    __m256i half = f16_of_e4m3(_mm_loadu_si128((const __m128i *)p));
    out[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(half));
    out[1] = _mm256_cvtph_ps(_mm256_extracti128_si256(half, 1));
}

static inline vf vf_load_e4m3(const void *p)
{
    return vf_of_e4m3(_mm_loadl_epi64((const __m128i *)p));
}

static inline vf vf_load_e4m3_part(const void *p, int count)
{
    uint8_t room[16] = {0};
    memcpy(room, p, (size_t)count);
    return vf_of_e4m3(_mm_loadl_epi64((const __m128i *)room));
}

static inline vf vf_load_i8(const void *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

/* The low 16 bits of each lane. */
static inline __m128i narrow_16(__m256i v)
{
    __m256i packed = _mm256_packus_epi32(v, v);
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
}

static inline __m128i vf_to_f16(vf v)
{
    return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline __m128i vf_to_bf16(vf v)
{
    __m256i bits = _mm256_castps_si256(v);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    rounded = _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(vf_is_nan(v)));
    return narrow_16(_mm256_srli_epi32(rounded, 16));
}

static inline __m128i vf_to_e4m3(vf v)
{
    __m256i bits = _mm256_castps_si256(v);
    __m256i sign = _mm256_and_si256(_mm256_srli_epi32(bits, 24), _mm256_set1_epi32(0x80));
    vf size = _mm256_min_ps(_mm256_set1_ps(448.0f), vf_abs(v));
    __m256i magnitude = _mm256_castps_si256(size);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(magnitude, 20), _mm256_set1_epi32(1));
    __m256i normal = _mm256_add_epi32(magnitude, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFFF)));
    normal = _mm256_srli_epi32(_mm256_sub_epi32(normal, _mm256_set1_epi32((127 - 7) << 23)), 20);
    vf shifted = _mm256_add_ps(size, _mm256_set1_ps(16384.0f)); /* rounds at 2^-9 */
    __m256i small = _mm256_sub_epi32(_mm256_castps_si256(shifted), _mm256_castps_si256(vf_set(16384.0f)));
    __m256i is_small = _mm256_castps_si256(vf_lt(size, _mm256_set1_ps(0x1p-6f)));
    __m256i out = _mm256_blendv_epi8(normal, small, is_small);
    out = _mm256_blendv_epi8(out, _mm256_set1_epi32(0x7F), _mm256_castps_si256(vf_is_nan(v)));
    __m128i wide = narrow_16(_mm256_or_si256(out, sign));
    return _mm_packus_epi16(wide, wide);
}

static inline void vf_store_f16(void *p, vf v, int count)
{
    uint16_t room[8];
    _mm_storeu_si128((__m128i *)room, vf_to_f16(v));
    memcpy(p, room, (size_t)count * sizeof room[0]);
}

static inline void vf_store_bf16(void *p, vf v, int count)
{
    uint16_t room[8];
    _mm_storeu_si128((__m128i *)room, vf_to_bf16(v));
    memcpy(p, room, (size_t)count * sizeof room[0]);
}

static inline void vf_store_e4m3(void *p, vf v, int count)
{
    uint8_t room[16];
    _mm_storeu_si128((__m128i *)room, vf_to_e4m3(v));
    memcpy(p, room, (size_t)count);
}

/* Rounded to e4m3 and back. */
static inline vf vf_round_e4m3(vf v)
{
    return vf_of_e4m3(vf_to_e4m3(v));
}

/* rows[i][j] becomes rows[j][i]. */
static inline __attribute__((always_inline)) void vf_transpose(vf r[8])
{
    __m256 t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xEE);
        r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xEE);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m256 low = r[i], high = r[4 + i];
        r[i] = _mm256_permute2f128_ps(low, high, 0x20);
        r[4 + i] = _mm256_permute2f128_ps(low, high, 0x31);
    }
}

#endif
