/* The vector of 16 floats behind kernels/cpu/vec: AVX-512 F, BW, DQ, VL. See vec/vec.h for what each does. */
#ifndef AS_KERNELS_CPU_AVX512_VEC_AVX512_H
#define AS_KERNELS_CPU_AVX512_VEC_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define AS_VARIANT(name) name##_avx512

enum {
    LANES = 16,
    TILE_ROWS = 4, /* matrix product: weight rows by rows of x in registers */
    TILE_COLS = 6,
    UPDATE_ROWS = 6, /* attention: queries by vectors of keys (or of values) in registers */
    UPDATE_VECTORS = 4,
};

typedef __m512 vf;
typedef __mmask16 vm;

static inline vm vm_first(int count)
{
    return (vm)((1u << count) - 1);
}

static inline vf vf_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vf vf_set(float x)
{
    return _mm512_set1_ps(x);
}

static inline vf vf_iota(void)
{
    return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

static inline vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline vf vf_load_part(const float *p, int count)
{
    return _mm512_maskz_loadu_ps(vm_first(count), p);
}

static inline void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}

static inline void vf_store_part(float *p, vf v, int count)
{
    _mm512_mask_storeu_ps(p, vm_first(count), v);
}

static inline vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

static inline vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}

static inline vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

static inline vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vf vf_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

static inline vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}

static inline vf vf_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}

static inline vf vf_abs(vf a)
{
    return _mm512_abs_ps(a);
}

static inline vf vf_copysign(vf magnitude, vf sign)
{
    return _mm512_or_ps(_mm512_abs_ps(magnitude), _mm512_and_ps(sign, _mm512_set1_ps(-0.0f)));
}

static inline vf vf_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vf vf_scale2(vf a, vf n)
{
    return _mm512_scalef_ps(a, n);
}

static inline vm vf_lt(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

static inline vm vf_le(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}

static inline vm vf_is_nan(vf a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}

static inline vm vf_not_finite(vf a)
{
    return _mm512_fpclass_ps_mask(a, 0x99);
}

static inline vm vm_and(vm a, vm b)
{
    return a & b;
}

static inline vm vm_or(vm a, vm b)
{
    return a | b;
}

static inline vm vm_none(void)
{
    return 0;
}

static inline int vm_any(vm a)
{
    return a != 0;
}

static inline vf vf_select(vm m, vf yes, vf no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}

static inline vf vf_swap_pairs(vf a)
{
    return _mm512_permute_ps(a, 0xB1);
}

static inline vf vf_double_up(const float *p)
{
    __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
}

static inline vf vf_negate_even(vf a)
{
    return _mm512_mask_xor_ps(a, 0x5555, a, _mm512_set1_ps(-0.0f));
}

static inline float vf_sum(vf v)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

static inline float vf_largest(vf v)
{
    return _mm512_reduce_max_ps(v);
}

/* a and b folded to half their lanes: [a, b]. */
static inline vf vf_fold_two(vf a, vf b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
}

/* Four vectors folded to four lanes each: [a, b, c, d]. */
static inline vf vf_fold_four(const vf v[4])
{
    vf ab = vf_fold_two(v[0], v[1]), cd = vf_fold_two(v[2], v[3]);
    return _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
}

static inline void vf_sum4(const vf v[4], float out[4])
{
    vf t = vf_fold_four(v);
    t = _mm512_add_ps(t, _mm512_permute_ps(t, 0x4E));
    t = _mm512_add_ps(t, _mm512_permute_ps(t, 0xB1));
    __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm_storeu_ps(out, _mm512_castps512_ps128(_mm512_permutexvar_ps(first, t)));
}

/* v[i] holds four vectors: out[4 * i + j] is the sum of v[i][j]. */
static inline void vf_sum16(const vf v[4][4], float out[16])
{
    vf a = vf_fold_four(v[0]), b = vf_fold_four(v[1]), c = vf_fold_four(v[2]), d = vf_fold_four(v[3]);
    vf ab = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xEE));
    vf cd = _mm512_add_ps(_mm512_shuffle_ps(c, d, 0x44), _mm512_shuffle_ps(c, d, 0xEE));
    vf sums = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x88), _mm512_shuffle_ps(ab, cd, 0xDD));
    /* Lane 4 * j + i holds the sum of v[i][j]. */
    __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_ps(out, _mm512_permutexvar_ps(order, sums));
}

/* Quads of floats that lie `stride` floats apart, one behind the other; zeros behind `quads` of them. */
static inline vf vf_of_quads(const float *at, int64_t stride, int quads)
{
    vf v = _mm512_zextps128_ps512(_mm_loadu_ps(at));
    if (quads > 1) v = _mm512_insertf32x4(v, _mm_loadu_ps(at + stride), 1);
    if (quads > 2) v = _mm512_insertf32x4(v, _mm_loadu_ps(at + 2 * stride), 2);
    if (quads > 3) v = _mm512_insertf32x4(v, _mm_loadu_ps(at + 3 * stride), 3);
    return v;
}

static inline vf vf_of_f16(__m256i h)
{
    return _mm512_cvtph_ps(h);
}

static inline vf vf_load_f16(const void *p)
{
    return vf_of_f16(_mm256_loadu_si256((const __m256i *)p));
}

static inline vf vf_load_f16_part(const void *p, int count)
{
    return vf_of_f16(_mm256_maskz_loadu_epi16(vm_first(count), p));
}

static inline vf vf_of_bf16(__m256i b)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16));
}

static inline vf vf_load_bf16(const void *p)
{
    return vf_of_bf16(_mm256_loadu_si256((const __m256i *)p));
}

static inline vf vf_load_bf16_part(const void *p, int count)
{
    return vf_of_bf16(_mm256_maskz_loadu_epi16(vm_first(count), p));
}

/* The bits of an e4m3 are those of a float16 of 1/256 of its value, but for NaN. */
static inline __m256i f16_of_e4m3(__m128i e)
{
    __m256i wide = _mm256_cvtepi8_epi16(e);
    __m256i half = _mm256_and_si256(_mm256_slli_epi16(wide, 7), _mm256_set1_epi16((short)0xBFFF));
    __m256i magnitude = _mm256_and_si256(wide, _mm256_set1_epi16(0x7F));
    __mmask16 nan = _mm256_cmpeq_epi16_mask(magnitude, _mm256_set1_epi16(0x7F));
    return _mm256_mask_mov_epi16(half, nan, _mm256_set1_epi16(0x7E00));
}

static inline vf vf_of_e4m3(__m128i e)
{
    return _mm512_mul_ps(_mm512_cvtph_ps(f16_of_e4m3(e)), _mm512_set1_ps(256.0f));
}

static inline vf vf_load_e4m3_256th_part(const void *p, int count)
{
    return _mm512_cvtph_ps(f16_of_e4m3(_mm_maskz_loadu_epi8(vm_first(count), p)));
}

static inline void vf_load_e4m3_256th(const void *p, vf out[2])
{
    __m512i wide = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
    __m512i half = _mm512_and_si512(_mm512_slli_epi16(wide, 7), _mm512_set1_epi16((short)0xBFFF));
    __m512i magnitude = _mm512_and_si512(wide, _mm512_set1_epi16(0x7F));
    __mmask32 nan = _mm512_cmpeq_epi16_mask(magnitude, _mm512_set1_epi16(0x7F));
    half = _mm512_mask_mov_epi16(half, nan, _mm512_set1_epi16(0x7E00));
    out[0] = _mm512_cvtph_ps(_mm512_castsi512_si256(half));
    out[1] = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1));
}

static inline vf vf_load_e4m3(const void *p)
{
    return vf_of_e4m3(_mm_loadu_si128((const __m128i *)p));
}

static inline vf vf_load_e4m3_part(const void *p, int count)
{
    return vf_of_e4m3(_mm_maskz_loadu_epi8(vm_first(count), p));
}

static inline vf vf_load_i8(const void *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

static inline __m256i vf_to_f16(vf v)
{
    return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline __m256i vf_to_bf16(vf v)
{
    __m512i bits = _mm512_castps_si512(v);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    rounded = _mm512_mask_or_epi32(rounded, vf_is_nan(v), bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

static inline __m128i vf_to_e4m3(vf v)
{
    __m512i bits = _mm512_castps_si512(v);
    __m512i sign = _mm512_and_si512(_mm512_srli_epi32(bits, 24), _mm512_set1_epi32(0x80));
    vf size = _mm512_min_ps(_mm512_set1_ps(448.0f), _mm512_abs_ps(v));
    __m512i magnitude = _mm512_castps_si512(size);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(magnitude, 20), _mm512_set1_epi32(1));
    __m512i normal = _mm512_add_epi32(magnitude, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFFF)));
    normal = _mm512_srli_epi32(_mm512_sub_epi32(normal, _mm512_set1_epi32((127 - 7) << 23)), 20);
    vf shifted = _mm512_add_ps(size, _mm512_set1_ps(16384.0f)); /* rounds at 2^-9 */
    __m512i small = _mm512_sub_epi32(_mm512_castps_si512(shifted), _mm512_castps_si512(vf_set(16384.0f)));
    __m512i out = _mm512_mask_mov_epi32(normal, vf_lt(size, _mm512_set1_ps(0x1p-6f)), small);
    out = _mm512_mask_mov_epi32(out, vf_is_nan(v), _mm512_set1_epi32(0x7F));
    return _mm512_cvtepi32_epi8(_mm512_or_si512(out, sign));
}

static inline void vf_store_f16(void *p, vf v, int count)
{
    _mm256_mask_storeu_epi16(p, vm_first(count), vf_to_f16(v));
}

static inline void vf_store_bf16(void *p, vf v, int count)
{
    _mm256_mask_storeu_epi16(p, vm_first(count), vf_to_bf16(v));
}

static inline void vf_store_e4m3(void *p, vf v, int count)
{
    _mm_mask_storeu_epi8(p, vm_first(count), vf_to_e4m3(v));
}

/* Rounded to e4m3 and back. */
static inline vf vf_round_e4m3(vf v)
{
    return vf_of_e4m3(vf_to_e4m3(v));
}

/* rows[i][j] becomes rows[j][i]. */
static inline __attribute__((always_inline)) void vf_transpose(vf r[16])
{
    __m512 t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) { /* pairs of rows interleaved */
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* 4x4 blocks transposed within each 128 bits */
        __m512d a = _mm512_castps_pd(t[4 * i]), b = _mm512_castps_pd(t[4 * i + 1]);
        __m512d c = _mm512_castps_pd(t[4 * i + 2]), d = _mm512_castps_pd(t[4 * i + 3]);
        r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
        r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
        r[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
        r[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* the 128-bit blocks themselves */
        t[i] = _mm512_shuffle_f32x4(r[i], r[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_f32x4(r[i], r[4 + i], 0xDD);
        t[8 + i] = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0xDD);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[8 + i], 0x88);
        r[8 + i] = _mm512_shuffle_f32x4(t[i], t[8 + i], 0xDD);
        r[4 + i] = _mm512_shuffle_f32x4(t[4 + i], t[12 + i], 0x88);
        r[12 + i] = _mm512_shuffle_f32x4(t[4 + i], t[12 + i], 0xDD);
    }
}

#endif
