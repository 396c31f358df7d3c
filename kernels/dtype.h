/* Element types of tensors: names as safetensors and config.json write them, sizes, conversions. */
#ifndef AS_KERNELS_DTYPE_H
#define AS_KERNELS_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, bits per element, name in safetensors, name in config.json (torch) */
#define AS_DTYPES(X)                                                                                         \
    X(AS_F32, 32, "F32", "float32")                                                                          \
    X(AS_F16, 16, "F16", "float16")                                                                          \
    X(AS_BF16, 16, "BF16", "bfloat16")                                                                       \
    X(AS_E4M3, 8, "F8_E4M3", "float8_e4m3fn")                                                                \
    X(AS_E5M2, 8, "F8_E5M2", "float8_e5m2")                                                                  \
    X(AS_F64, 64, "F64", "float64")                                                                          \
    X(AS_I8, 8, "I8", "int8")                                                                                \
    X(AS_U8, 8, "U8", "uint8")                                                                               \
    X(AS_I16, 16, "I16", "int16")                                                                            \
    X(AS_U16, 16, "U16", "uint16")                                                                           \
    X(AS_I32, 32, "I32", "int32")                                                                            \
    X(AS_U32, 32, "U32", "uint32")                                                                           \
    X(AS_I64, 64, "I64", "int64")                                                                            \
    X(AS_U64, 64, "U64", "uint64")                                                                           \
    X(AS_BOOL, 8, "BOOL", "bool")                                                                            \
    X(AS_Q8_0, 0, "Q8_0", "q8_0")    /* blocks, so no bits of one element: as_dtype_span */                  \
    X(AS_E2M1, 0, "E2M1", "e2m1")    /* likewise */                                                          \
    X(AS_MXFP4, 0, "MXFP4", "mxfp4") /* likewise */

typedef enum {
#define AS_DTYPE_ENUM(id, bits, file_name, torch_name) id,
    AS_DTYPES(AS_DTYPE_ENUM)
#undef AS_DTYPE_ENUM
        AS_DTYPE_COUNT
} as_dtype;

/* Q8_0: 32 elements are a float16 scale and 32 int8, each element scale * int8. */
enum { AS_Q8_0_BLOCK = 32, AS_Q8_0_BYTES = 34 };
/* E2M1 (OCP Microscaling 1.0): two elements a byte, the lower half first; 32 share a power of two that lies
 * elsewhere (AS_SCALE_POWERS) and count as its block. */
enum { AS_E2M1_BLOCK = 32 };
/* MXFP4 as GGUF lays it out: 32 elements of E2M1 are their power of two and 16 bytes, whose lower halves are
 * the first 16 elements and whose upper halves are the others. Files hold it; what is computed with is E2M1.
 */
enum { AS_MXFP4_BYTES = 17 };

int as_dtype_bits(as_dtype type);                    /* of one element; never of a type in blocks */
int64_t as_dtype_bytes(as_dtype type);               /* likewise */
int64_t as_dtype_span(as_dtype type, int64_t count); /* bytes of so many elements from a block's begin on */
bool as_dtype_is_blocks(as_dtype type);
const char *as_dtype_name(as_dtype type);             /* as safetensors writes it: "BF16" */
const char *as_dtype_torch_name(as_dtype type);       /* as config.json writes it: "bfloat16" */
bool as_dtype_parse(const char *name, as_dtype *out); /* either name; false if unknown or in blocks */
bool as_dtype_is_float(as_dtype type);

/* Scalar conversions, exact; to a narrower type: to nearest even. float16 overflows to infinity; e4m3 (OCP
 * 8-bit, "fn": no infinity, NaN 0x7F) saturates at 448 and keeps NaN. */
float as_f32_from_f16(uint16_t h);
float as_f32_from_bf16(uint16_t b);
float as_f32_from_e4m3(uint8_t e);
float as_f32_from_e5m2(uint8_t e);
float as_f32_from_e2m1(uint8_t e);
float as_f32_from_e8m0(uint8_t e); /* 2^(e - 127); 255: NaN */
uint16_t as_f16_from_f32(float x);
uint16_t as_bf16_from_f32(float x);
uint8_t as_e4m3_from_f32(float x);

/* count elements of any type to float32 (integers rounded to nearest); `from` is the begin of a block. */
void as_convert_to_f32(as_dtype type, const void *from, float *to, int64_t count);
/* count float32 to a float type (F32, F16, BF16, E4M3), or to whole blocks of Q8_0: the scale is the largest
 * magnitude / 127, integers are rounded half away from zero (ggml, quantize_row_q8_0_ref). */
void as_convert_from_f32(as_dtype type, const float *from, void *to, int64_t count);

#endif
