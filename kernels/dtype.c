/* Element types; see dtype.h. Plain C: the vectorised kernels have their own conversions and are tested
 * against these. */
#include "kernels/dtype.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

typedef struct dtype_info {
    int bits;
    const char *name, *torch_name;
} dtype_info;

static const dtype_info infos[AS_DTYPE_COUNT] = {
#define DTYPE_INFO(id, bits, file_name, torch_name) [id] = {bits, file_name, torch_name},
    AS_DTYPES(DTYPE_INFO)
#undef DTYPE_INFO
};

int as_dtype_bits(as_dtype type)
{
    AS_BUG((unsigned)type >= AS_DTYPE_COUNT || as_dtype_is_blocks(type));
    return infos[type].bits;
}

int64_t as_dtype_bytes(as_dtype type)
{
    return as_dtype_bits(type) / 8;
}

int64_t as_dtype_span(as_dtype type, int64_t count)
{
    if (type == AS_E2M1) return (count + 1) / 2;
    if (type == AS_MXFP4) return (count + AS_E2M1_BLOCK - 1) / AS_E2M1_BLOCK * AS_MXFP4_BYTES;
    if (type != AS_Q8_0) return count * as_dtype_bytes(type);
    return (count + AS_Q8_0_BLOCK - 1) / AS_Q8_0_BLOCK * AS_Q8_0_BYTES;
}

bool as_dtype_is_blocks(as_dtype type)
{
    return type == AS_Q8_0 || type == AS_E2M1 || type == AS_MXFP4;
}

const char *as_dtype_name(as_dtype type)
{
    AS_BUG((unsigned)type >= AS_DTYPE_COUNT);
    return infos[type].name;
}

const char *as_dtype_torch_name(as_dtype type)
{
    AS_BUG((unsigned)type >= AS_DTYPE_COUNT);
    return infos[type].torch_name;
}

bool as_dtype_parse(const char *name, as_dtype *out)
{
    for (int i = 0; i < AS_DTYPE_COUNT; i++) {
        if (as_dtype_is_blocks((as_dtype)i)) continue;
        if (strcmp(name, infos[i].name) != 0 && strcmp(name, infos[i].torch_name) != 0) continue;
        *out = (as_dtype)i;
        return true;
    }
    return false;
}

bool as_dtype_is_float(as_dtype type)
{
    return type == AS_F32 || type == AS_F16 || type == AS_BF16 || type == AS_E4M3 || type == AS_E5M2 ||
           type == AS_F64 || type == AS_Q8_0 || type == AS_E2M1 || type == AS_MXFP4;
}

static inline float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

float as_f32_from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7FFF;
    if (magnitude > 0x7C00) return float_of(sign | 0x7FC00000 | magnitude << 13); /* NaN, made quiet */
    if (magnitude == 0x7C00) return float_of(sign | 0x7F800000);
    if (magnitude >= 0x0400) return float_of(sign | ((magnitude << 13) + ((127 - 15) << 23)));
    float x = (float)magnitude * 0x1p-24f; /* subnormal or zero: exact */
    return sign ? -x : x;
}

float as_f32_from_bf16(uint16_t b)
{
    return float_of((uint32_t)b << 16);
}

float as_f32_from_e4m3(uint8_t e)
{
    uint32_t sign = (uint32_t)(e & 0x80) << 24, magnitude = e & 0x7F;
    if (magnitude == 0x7F) return float_of(sign | 0x7FC00000);
    if (magnitude >= 0x08) return float_of(sign | ((magnitude << 20) + ((127 - 7) << 23)));
    float x = (float)magnitude * 0x1p-9f;
    return sign ? -x : x;
}

float as_f32_from_e5m2(uint8_t e)
{
    return as_f32_from_f16((uint16_t)(e << 8)); /* the upper half of a float16 */
}

float as_f32_from_e2m1(uint8_t e)
{
    static const float values[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
    return values[e & 15];
}

float as_f32_from_e8m0(uint8_t e)
{
    if (e == 255) return float_of(0x7FC00000);
    return e == 0 ? 0x1p-127f : float_of((uint32_t)e << 23);
}

uint16_t as_f16_from_f32(float x)
{
    uint32_t bits = bits_of(x), magnitude = bits & 0x7FFFFFFF;
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7F800000) return (uint16_t)(sign | 0x7E00 | (magnitude >> 13 & 0x3FF));
    if (magnitude >= 0x477FF000) return (uint16_t)(sign | 0x7C00); /* 65520 and above */
    if (magnitude < 0x38800000) {                                  /* below 2^-14: the sum rounds at 2^-24 */
        return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f)));
    }
    uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((rounded - ((127 - 15) << 23)) >> 13));
}

uint16_t as_bf16_from_f32(float x)
{
    uint32_t bits = bits_of(x);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(bits >> 16 | 0x0040);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

uint8_t as_e4m3_from_f32(float x)
{
    uint32_t bits = bits_of(x), magnitude = bits & 0x7FFFFFFF;
    uint8_t sign = (uint8_t)(bits >> 24 & 0x80);
    if (magnitude > 0x7F800000) return sign | 0x7F;
    if (magnitude >= 0x43E00000) return sign | 0x7E; /* 448 and above */
    if (magnitude < 0x3C800000) {                    /* below 2^-6: the sum rounds at 2^-9 */
        return (uint8_t)(sign | (bits_of(float_of(magnitude) + 16384.0f) - bits_of(16384.0f)));
    }
    uint32_t rounded = magnitude + 0x7FFFF + (magnitude >> 20 & 1);
    return (uint8_t)(sign | ((rounded - ((127 - 7) << 23)) >> 20));
}

/* The product of an 8-bit integer and a float16 is exact in float32. */
static void from_q8_0(const unsigned char *from, float *to, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const unsigned char *block = from + i / AS_Q8_0_BLOCK * AS_Q8_0_BYTES;
        uint16_t scale;
        memcpy(&scale, block, sizeof scale);
        to[i] = as_f32_from_f16(scale) * (float)(int8_t)block[2 + i % AS_Q8_0_BLOCK];
    }
}

static void from_mxfp4(const unsigned char *from, float *to, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const unsigned char *block = from + i / AS_E2M1_BLOCK * AS_MXFP4_BYTES;
        int64_t k = i % AS_E2M1_BLOCK, half = AS_E2M1_BLOCK / 2;
        uint8_t element = (uint8_t)(block[1 + k % half] >> (k / half * 4));
        to[i] = as_f32_from_e2m1(element) * as_f32_from_e8m0(block[0]);
    }
}

/* One loop for each type: element i is read with memcpy, since a tensor in a file need not be aligned. */
#define CONVERT_FROM(type, expression)                                                                       \
    for (int64_t i = 0; i < count; i++) {                                                                    \
        type v;                                                                                              \
        memcpy(&v, bytes + i * (int64_t)sizeof v, sizeof v);                                                 \
        to[i] = (expression);                                                                                \
    }                                                                                                        \
    return

void as_convert_to_f32(as_dtype type, const void *from, float *to, int64_t count)
{
    const unsigned char *bytes = from;
    switch (type) {
    case AS_F32: memcpy(to, from, (size_t)count * sizeof *to); return;
    case AS_F16: CONVERT_FROM(uint16_t, as_f32_from_f16(v));
    case AS_BF16: CONVERT_FROM(uint16_t, as_f32_from_bf16(v));
    case AS_E4M3: CONVERT_FROM(uint8_t, as_f32_from_e4m3(v));
    case AS_E5M2: CONVERT_FROM(uint8_t, as_f32_from_e5m2(v));
    case AS_F64: CONVERT_FROM(double, (float)v);
    case AS_I8: CONVERT_FROM(int8_t, (float)v);
    case AS_U8: CONVERT_FROM(uint8_t, (float)v);
    case AS_I16: CONVERT_FROM(int16_t, (float)v);
    case AS_U16: CONVERT_FROM(uint16_t, (float)v);
    case AS_I32: CONVERT_FROM(int32_t, (float)v);
    case AS_U32: CONVERT_FROM(uint32_t, (float)v);
    case AS_I64: CONVERT_FROM(int64_t, (float)v);
    case AS_U64: CONVERT_FROM(uint64_t, (float)v);
    case AS_BOOL: CONVERT_FROM(uint8_t, v ? 1.0f : 0.0f);
    case AS_Q8_0: from_q8_0(bytes, to, count); return;
    case AS_E2M1:
        for (int64_t i = 0; i < count; i++) to[i] = as_f32_from_e2m1((uint8_t)(bytes[i / 2] >> i % 2 * 4));
        return;
    case AS_MXFP4: from_mxfp4(bytes, to, count); return;
    case AS_DTYPE_COUNT: break;
    }
    AS_BUG(true);
}

#define CONVERT_TO(type, expression)                                                                         \
    for (int64_t i = 0; i < count; i++) {                                                                    \
        type v = (expression);                                                                               \
        memcpy(bytes + i * (int64_t)sizeof v, &v, sizeof v);                                                 \
    }                                                                                                        \
    return

static void to_q8_0(const float *from, unsigned char *to, int64_t count)
{
    for (; count > 0; count -= AS_Q8_0_BLOCK, from += AS_Q8_0_BLOCK, to += AS_Q8_0_BYTES) {
        int64_t here = count < AS_Q8_0_BLOCK ? count : AS_Q8_0_BLOCK;
        float most = 0;
        for (int64_t i = 0; i < here; i++) most = fmaxf(most, fabsf(from[i]));
        float scale = most / 127.0f, inverse = scale != 0 ? 1.0f / scale : 0.0f;
        uint16_t half = as_f16_from_f32(scale);
        memset(to, 0, AS_Q8_0_BYTES);
        memcpy(to, &half, sizeof half);
        for (int64_t i = 0; i < here; i++) {
            float value = roundf(from[i] * inverse);
            int8_t q = value >= -127 && value <= 127 ? (int8_t)value : 0; /* NaN has no place here */
            memcpy(to + sizeof half + i, &q, 1);
        }
    }
}

void as_convert_from_f32(as_dtype type, const float *from, void *to, int64_t count)
{
    unsigned char *bytes = to;
    switch (type) {
    case AS_F32: memcpy(to, from, (size_t)count * sizeof *from); return;
    case AS_F16: CONVERT_TO(uint16_t, as_f16_from_f32(from[i]));
    case AS_BF16: CONVERT_TO(uint16_t, as_bf16_from_f32(from[i]));
    case AS_E4M3: CONVERT_TO(uint8_t, as_e4m3_from_f32(from[i]));
    case AS_Q8_0: to_q8_0(from, bytes, count); return;
    default: break;
    }
    AS_BUG(true);
}
