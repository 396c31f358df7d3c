/* Rounding of weights: e4m3 under scales of a tensor, a row, a block, against the definition one number at a
 * time; the names that --dtype knows. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "engine/precision.h"

/* The e4m3 number nearest to x, ties to even, found among all 256. */
static uint8_t nearest(float x)
{
    if (isnan(x)) return (uint8_t)(signbit(x) ? 0xFF : 0x7F);
    int best = 0;
    double least = INFINITY;
    for (int code = 0; code < 0x7F; code++) {
        double off = fabs((double)as_f32_from_e4m3((uint8_t)code) - fabs((double)x));
        if (off > least || (off == least && code % 2)) continue;
        best = code;
        least = off;
    }
    if (isinf(x)) best = 0x7E;
    return (uint8_t)(best | (signbit(x) ? 0x80 : 0));
}

typedef struct shape {
    int64_t rows, cols;
} shape;

/* Where the scale of an element stands. */
static int64_t scale_at(const as_precision *p, shape s, int64_t row, int64_t col)
{
    switch (p->scale) {
    case AS_SCALE_TENSOR: return 0;
    case AS_SCALE_ROW: return row;
    case AS_SCALE_BLOCK:
        return row / p->block_rows * ((s.cols + p->block_cols - 1) / p->block_cols) + col / p->block_cols;
    case AS_SCALE_NONE:
    case AS_SCALE_POWERS: break; /* no precision quantizes to it */
    }
    return -1;
}

static void check(const as_precision *p, const float *values, shape s, as_pool *pool)
{
    as_matrix m = {.dtype = AS_F32, .rows = s.rows, .cols = s.cols, .stride = s.cols, .data = values};
    int64_t count = as_precision_scale_count(p, s.rows, s.cols), most_index = 0;
    uint8_t *data = as_alloc((size_t)(s.rows * s.cols));
    float *scales = as_alloc((size_t)count * sizeof *scales),
          *largest = as_calloc((size_t)count, sizeof *largest);
    as_precision_quantize(p, &m, data, scales, pool);
    for (int64_t i = 0; i < s.rows * s.cols; i++) {
        int64_t at = scale_at(p, s, i / s.cols, i % s.cols);
        float size = fabsf(values[i]);
        if (size > largest[at] || isnan(size)) largest[at] = size;
        if (at > most_index) most_index = at;
    }
    cr_assert_eq(most_index + 1, count, "%s has %lld scales, expected %lld", p->name, (long long)count,
                 (long long)most_index + 1);
    for (int64_t i = 0; i < count; i++) {
        float expected = largest[i] == 0 ? 1 : largest[i] / 448.0f;
        if (expected < 1e-12f) expected = 1e-12f;
        cr_assert(scales[i] == expected || (isnan(scales[i]) && isnan(expected)),
                  "%s: scale %lld is %g, expected %g", p->name, (long long)i, (double)scales[i],
                  (double)expected);
    }
    for (int64_t i = 0; i < s.rows * s.cols; i++) {
        float quotient = values[i] / scales[scale_at(p, s, i / s.cols, i % s.cols)];
        uint8_t expected = nearest(quotient);
        bool same = data[i] == expected || ((data[i] & 0x7F) == 0x7F && (expected & 0x7F) == 0x7F);
        cr_assert(same, "%s: [%lld,%lld] %g is %02x, expected %02x", p->name, (long long)(i / s.cols),
                  (long long)(i % s.cols), (double)values[i], data[i], expected);
    }
    as_free(data);
    as_free(scales);
    as_free(largest);
}

static void check_all(const float *values, shape s)
{
    static const char *const names[] = {"fp8-tensor", "fp8-channel", "fp8-block", "fp8-weight"};
    as_pool *pool;
    cr_assert_eq(as_pool_open(2, &pool, NULL), AS_OK);
    for (size_t i = 0; i < 4; i++) {
        as_precision p;
        cr_assert_eq(as_precision_parse(names[i], &p, NULL), AS_OK);
        check(&p, values, s, pool);
        check(&p, values, s, NULL);
    }
    as_pool_close(pool);
}

static float *random_values(shape s, uint64_t seed)
{
    as_rng rng;
    float *values = as_alloc((size_t)(s.rows * s.cols) * sizeof *values);
    as_rng_init(&rng, seed, 0);
    for (int64_t i = 0; i < s.rows * s.cols; i++) {
        values[i] = (float)(as_rng_normal(&rng) * exp(3 * as_rng_normal(&rng)));
    }
    return values;
}

Test(precision, random_matrices_of_any_shape)
{
    static const shape shapes[] = {{1, 1}, {3, 5}, {128, 128}, {129, 127}, {127, 257}, {40, 1100}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        float *values = random_values(shapes[i], i + 1);
        check_all(values, shapes[i]);
        as_free(values);
    }
}

Test(precision, zeros_have_scale_one_and_tiny_numbers_stay_finite)
{
    shape s = {130, 140};
    float *values = random_values(s, 9);
    memset(values + 3 * s.cols, 0, (size_t)s.cols * sizeof *values);
    for (int64_t r = 128; r < s.rows; r++) memset(values + r * s.cols + 128, 0, 12 * sizeof *values);
    for (int64_t c = 0; c < s.cols; c++) values[5 * s.cols + c] = (c % 2 ? -1e-44f : 3e-42f);
    check_all(values, s);
    for (int64_t i = 0; i < s.rows * s.cols; i++) values[i] = -0.0f;
    check_all(values, s);
    as_free(values);
}

Test(precision, not_a_number_spoils_its_scale_and_no_other)
{
    shape s = {130, 140};
    float *values = random_values(s, 10);
    values[2 * s.cols + 3] = NAN;
    values[7 * s.cols + 130] = -INFINITY;
    check_all(values, s);
    as_free(values);
}

Test(precision, halves_round_to_even)
{
    shape s = {1, 16}; /* the largest is 448: scale 1, and the numbers are rounded as they stand */
    static const float values[16] = {448,     17,  19,  -17,     -19,      232,      248,       1.0625f,
                                     1.1875f, 436, 432, 0x1p-9f, 0x1p-10f, 0x3p-10f, 0x1.8p-9f, -0x1p-10f};
    static const uint8_t expected[16] = {0x7E, 0x58, 0x5A, 0xD8, 0xDA, 0x76, 0x78, 0x38,
                                         0x3A, 0x7E, 0x7E, 0x01, 0x00, 0x02, 0x02, 0x80};
    as_precision p;
    uint8_t data[16];
    float scale;
    as_matrix m = {.dtype = AS_F32, .rows = 1, .cols = 16, .stride = 16, .data = values};
    cr_assert_eq(as_precision_parse("fp8-tensor", &p, NULL), AS_OK);
    as_precision_quantize(&p, &m, data, &scale, NULL);
    cr_assert_eq(scale, 1.0f);
    for (int i = 0; i < 16; i++) {
        cr_assert_eq(data[i], expected[i], "%g is %02x, expected %02x", (double)values[i], data[i],
                     expected[i]);
    }
    check_all(values, s);
}

/* The source may be of any stored type: its numbers are those of float32. */
Test(precision, sources_of_16_bits)
{
    shape s = {130, 260};
    float *values = random_values(s, 11);
    static const as_dtype types[] = {AS_F16, AS_BF16};
    as_precision p;
    cr_assert_eq(as_precision_parse("fp8-block", &p, NULL), AS_OK);
    for (size_t t = 0; t < 2; t++) {
        uint16_t *stored = as_alloc((size_t)(s.rows * s.cols) * sizeof *stored);
        float *wide = as_alloc((size_t)(s.rows * s.cols) * sizeof *wide);
        uint8_t *a = as_alloc((size_t)(s.rows * s.cols)), *b = as_alloc((size_t)(s.rows * s.cols));
        float a_scales[6], b_scales[6];
        as_convert_from_f32(types[t], values, stored, s.rows * s.cols);
        as_convert_to_f32(types[t], stored, wide, s.rows * s.cols);
        as_matrix m = {.dtype = types[t], .rows = s.rows, .cols = s.cols, .stride = s.cols, .data = stored};
        as_precision_quantize(&p, &m, a, a_scales, NULL);
        m.dtype = AS_F32;
        m.data = wide;
        as_precision_quantize(&p, &m, b, b_scales, NULL);
        cr_assert_eq(as_precision_scale_count(&p, s.rows, s.cols), 6);
        cr_assert_eq(memcmp(a, b, (size_t)(s.rows * s.cols)), 0);
        cr_assert_eq(memcmp(a_scales, b_scales, sizeof a_scales), 0);
        as_free(stored);
        as_free(wide);
        as_free(a);
        as_free(b);
    }
    as_free(values);
}

Test(precision, names)
{
    static const struct {
        const char *name, *canonical;
        bool kv8;
    } known[] = {
        {NULL, "native", false},       {"", "native", false},
        {"f32", "f32", false},         {"float32", "f32", false},
        {"fp16", "f16", false},        {"bfloat16", "bf16", false},
        {"fp8", "fp8-channel", false}, {"fp8+kv8", "fp8-channel", true},
        {"f16+kv8", "f16", true},      {"fp8-block", "fp8-block", false},
    };
    static const char *const unknown[] = {"fp9",
                                          "f16+kv4",
                                          "+kv8",
                                          "f16+kv8+kv8",
                                          "F16",
                                          "fp8-",
                                          "a name of much more than thirty-two bytes, and more"};
    as_precision p;
    as_error err;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        cr_assert_eq(as_precision_parse(known[i].name, &p, &err), AS_OK, "%s", err.text);
        cr_assert_str_eq(p.name, known[i].canonical);
        cr_assert_eq(p.kv8, known[i].kv8);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        cr_assert_eq(as_precision_parse(unknown[i], &p, &err), AS_E_USAGE, "%s", unknown[i]);
        cr_assert(strstr(err.text, unknown[i]) && strstr(err.text, "fp8-block"), "%s", err.text);
    }
}
