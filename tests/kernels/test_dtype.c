/* kernels/dtype.h: every value of the small types, and rounding to them. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/dtype.h"

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The value that a float with the given field widths stands for, by its definition. */
static double value_of(unsigned bits, int exponent_bits, int mantissa_bits, bool has_infinity)
{
    int bias = (1 << (exponent_bits - 1)) - 1;
    int sign = (int)(bits >> (exponent_bits + mantissa_bits)) & 1;
    int exponent = (int)(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
    int mantissa = (int)bits & ((1 << mantissa_bits) - 1);
    int top = (1 << exponent_bits) - 1;
    double value;
    if (exponent == top && has_infinity) {
        value = mantissa ? NAN : INFINITY;
    } else if (exponent == top && mantissa == (1 << mantissa_bits) - 1) {
        value = NAN; /* e4m3fn */
    } else if (exponent == 0) {
        value = ldexp(mantissa, 1 - bias - mantissa_bits);
    } else {
        value = ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
    }
    return sign ? -value : value;
}

static void expect_same(const char *type, unsigned bits, float got, double want)
{
    if (isnan(want)) {
        cr_assert(isnan(got), "%s %#x: %a, expected NaN", type, bits, (double)got);
        return;
    }
    cr_assert((double)got == want && !signbit(got) == !signbit(want), "%s %#x: %a, expected %a", type, bits,
              (double)got, want);
}

Test(dtype, every_value_of_the_small_types)
{
    for (unsigned i = 0; i < 65536; i++) {
        expect_same("f16", i, as_f32_from_f16((uint16_t)i), value_of(i, 5, 10, true));
        expect_same("bf16", i, as_f32_from_bf16((uint16_t)i), value_of(i, 8, 7, true));
    }
    for (unsigned i = 0; i < 256; i++) {
        expect_same("e4m3", i, as_f32_from_e4m3((uint8_t)i), value_of(i, 4, 3, false));
        expect_same("e5m2", i, as_f32_from_e5m2((uint8_t)i), value_of(i, 5, 2, true));
    }
}

Test(dtype, narrowing_returns_every_value)
{
    for (unsigned i = 0; i < 65536; i++) {
        float h = as_f32_from_f16((uint16_t)i), b = as_f32_from_bf16((uint16_t)i);
        if (!isnan(h)) cr_assert_eq(as_f16_from_f32(h), i);
        if (!isnan(b)) cr_assert_eq(as_bf16_from_f32(b), i);
        if (isnan(h)) cr_assert(isnan(as_f32_from_f16(as_f16_from_f32(h))));
        if (isnan(b)) cr_assert(isnan(as_f32_from_bf16(as_bf16_from_f32(b))));
    }
    for (unsigned i = 0; i < 256; i++) {
        float e = as_f32_from_e4m3((uint8_t)i);
        cr_assert_eq(as_e4m3_from_f32(e), i, "e4m3 %#x gives %#x", i, as_e4m3_from_f32(e));
    }
}

/* Between two neighbours: below the middle goes down, above goes up, the middle to the even one. */
static void expect_rounding(const char *type, unsigned low_bits, float low, float high,
                            unsigned (*narrow)(float))
{
    float middle = (float)(((double)low + high) / 2);
    unsigned even = low_bits % 2 == 0 ? low_bits : low_bits + 1;
    cr_assert_eq(narrow(middle), even, "%s: middle %a of %#x", type, (double)middle, low_bits);
    cr_assert_eq(narrow(nextafterf(middle, low)), low_bits, "%s: below the middle of %#x", type, low_bits);
    cr_assert_eq(narrow(nextafterf(middle, high)), low_bits + 1, "%s: above the middle of %#x", type,
                 low_bits);
}

static unsigned narrow_f16(float x)
{
    return as_f16_from_f32(x);
}

static unsigned narrow_bf16(float x)
{
    return as_bf16_from_f32(x);
}

static unsigned narrow_e4m3(float x)
{
    return as_e4m3_from_f32(x);
}

Test(dtype, rounds_ties_to_even)
{
    for (unsigned sign = 0; sign < 2; sign++) {
        for (unsigned i = 0; i < 0x7BFF; i++) {
            unsigned at = i | sign << 15;
            expect_rounding("f16", at, as_f32_from_f16((uint16_t)at), as_f32_from_f16((uint16_t)(at + 1)),
                            narrow_f16);
        }
        for (unsigned i = 0; i < 0x7F7F; i++) {
            unsigned at = i | sign << 15;
            expect_rounding("bf16", at, as_f32_from_bf16((uint16_t)at), as_f32_from_bf16((uint16_t)(at + 1)),
                            narrow_bf16);
        }
        for (unsigned i = 0; i < 0x7E; i++) {
            unsigned at = i | sign << 7;
            expect_rounding("e4m3", at, as_f32_from_e4m3((uint8_t)at), as_f32_from_e4m3((uint8_t)(at + 1)),
                            narrow_e4m3);
        }
    }
}

Test(dtype, ends_of_the_ranges)
{
    cr_assert_eq(as_f16_from_f32(65519.996f), 0x7BFF);
    cr_assert_eq(as_f16_from_f32(65520.0f), 0x7C00);
    cr_assert_eq(as_f16_from_f32(-INFINITY), 0xFC00);
    cr_assert_eq(as_f16_from_f32(0x1p-25f), 0);
    cr_assert_eq(as_f16_from_f32(0x1.8p-25f), 1);
    cr_assert_eq(as_f16_from_f32(-0.0f), 0x8000);
    cr_assert_eq(as_bf16_from_f32(3.4028235e38f), 0x7F80);
    cr_assert_eq(as_bf16_from_f32(float_of(0x7F800001)), 0x7FC0);
    cr_assert_eq(as_e4m3_from_f32(448.0f), 0x7E);
    cr_assert_eq(as_e4m3_from_f32(465.0f), 0x7E);
    cr_assert_eq(as_e4m3_from_f32(1e30f), 0x7E);
    cr_assert_eq(as_e4m3_from_f32(-INFINITY), 0xFE);
    cr_assert_eq(as_e4m3_from_f32(NAN) & 0x7F, 0x7F);
    cr_assert_eq(as_e4m3_from_f32(0x1p-10f), 0);
    cr_assert_eq(as_e4m3_from_f32(0x1.8p-10f), 1);
    cr_assert_eq(as_e4m3_from_f32(-0x1p-40f), 0x80);
}

Test(dtype, names)
{
    as_dtype type;
    for (int i = 0; i < AS_DTYPE_COUNT; i++) {
        if (as_dtype_is_blocks((as_dtype)i)) { /* no name in a file of plain numbers */
            cr_assert_not(as_dtype_parse(as_dtype_name((as_dtype)i), &type));
            continue;
        }
        cr_assert(as_dtype_parse(as_dtype_name((as_dtype)i), &type) && type == (as_dtype)i);
        cr_assert(as_dtype_parse(as_dtype_torch_name((as_dtype)i), &type) && type == (as_dtype)i);
        cr_assert_eq(as_dtype_bytes(type) * 8, as_dtype_bits(type));
    }
    cr_assert_not(as_dtype_parse("F4", &type));
    cr_assert(as_dtype_is_float(AS_E4M3) && !as_dtype_is_float(AS_I8));
}

Test(dtype, arrays_at_odd_addresses)
{
    unsigned char bytes[1 + 8 * 8];
    float out[8];
    for (int i = 0; i < 8; i++) {
        double d = i * 0.5 - 1;
        memcpy(bytes + 1 + i * 8, &d, 8);
    }
    as_convert_to_f32(AS_F64, bytes + 1, out, 8);
    for (int i = 0; i < 8; i++) cr_assert_eq(out[i], (float)i * 0.5f - 1);
    as_convert_from_f32(AS_F16, out, bytes + 1, 8);
    as_convert_to_f32(AS_F16, bytes + 1, out, 8);
    for (int i = 0; i < 8; i++) cr_assert_eq(out[i], (float)i * 0.5f - 1);
    bytes[1] = 0x80;
    as_convert_to_f32(AS_I8, bytes + 1, out, 1);
    cr_assert_eq(out[0], -128.0f);
    as_convert_to_f32(AS_U8, bytes + 1, out, 1);
    cr_assert_eq(out[0], 128.0f);
    as_convert_to_f32(AS_BOOL, bytes + 1, out, 1);
    cr_assert_eq(out[0], 1.0f);
}

Test(dtype, blocks_of_eight_bits)
{
    unsigned char blocks[2 * AS_Q8_0_BYTES];
    float values[40];
    uint16_t scales[2] = {as_f16_from_f32(0.125f), as_f16_from_f32(-3.0f)};
    for (int b = 0; b < 2; b++) {
        memcpy(blocks + b * AS_Q8_0_BYTES, &scales[b], 2);
        for (int i = 0; i < AS_Q8_0_BLOCK; i++)
            blocks[b * AS_Q8_0_BYTES + 2 + i] = (unsigned char)(i * 8 - 128);
    }
    as_convert_to_f32(AS_Q8_0, blocks, values, 40);
    for (int i = 0; i < 40; i++) {
        float expected = (float)(i % 32 * 8 - 128) * (i < 32 ? 0.125f : -3.0f);
        cr_assert_eq(values[i], expected, "element %d is %g", i, (double)values[i]);
    }
    cr_assert_eq(as_dtype_span(AS_Q8_0, 64), sizeof blocks);
    cr_assert_eq(as_dtype_span(AS_F16, 7), 14);
}

Test(dtype, elements_of_four_bits)
{
    const unsigned char bytes[] = {0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE};
    const float expected[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    float values[16];
    as_convert_to_f32(AS_E2M1, bytes, values, 16);
    for (int i = 0; i < 16; i++) {
        cr_assert_eq(values[i], i < 8 ? expected[i] : -expected[i - 8], "element %d is %g", i,
                     (double)values[i]);
    }
    cr_assert_eq(as_dtype_span(AS_E2M1, 64), 32);
    cr_assert_eq(as_f32_from_e8m0(127), 1.0f);
    cr_assert_eq(as_f32_from_e8m0(0), 0x1p-127f);
    cr_assert_eq(as_f32_from_e8m0(254), 0x1p127f);
    cr_assert(isnan(as_f32_from_e8m0(255)));
}
