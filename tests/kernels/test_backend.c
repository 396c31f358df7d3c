/* as_backend_cpu: levels by name, the best one, and the environment. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/ops.h"

static void expect_complete(const as_backend *backend)
{
#define AS_OP(op) cr_assert_not_null((void *)backend->op, "%s lacks " #op, backend->level);
#include "kernels/ops.def"
#undef AS_OP
}

Test(backend, every_level_is_complete)
{
    static const char *const levels[] = {"ref", "avx2", "avx512", "amx"};
    for (int i = 0; i < 4; i++) {
        const as_backend *backend;
        as_error err;
        as_code code = as_backend_cpu(levels[i], &backend, &err);
        if (code == AS_E_UNSUPPORTED && i > 0) continue;
        cr_assert_eq(code, AS_OK, "%s", err.text);
        cr_assert_str_eq(backend->level, levels[i]);
        cr_assert_str_eq(backend->name, "cpu");
        expect_complete(backend);
    }
}

Test(backend, the_environment_forces_a_level)
{
    const as_backend *best, *backend;
    as_error err;
    unsetenv("AS_CPU");
    cr_assert_eq(as_backend_cpu(NULL, &best, &err), AS_OK);
    setenv("AS_CPU", "ref", 1);
    cr_assert_eq(as_backend_cpu(NULL, &backend, &err), AS_OK);
    cr_assert_str_eq(backend->level, "ref");
    cr_assert_eq(as_backend_cpu("", &backend, &err), AS_OK);
    cr_assert_eq(backend, best);
    cr_assert_eq(as_backend_cpu("sse9", &backend, &err), AS_E_UNSUPPORTED);
    cr_assert_not_null(strstr(err.text, "sse9"));
}

/* A product small enough to do by hand. */
Test(backend, ref_multiplies)
{
    const as_backend *backend;
    as_error err;
    cr_assert_eq(as_backend_cpu("ref", &backend, &err), AS_OK);
    static _Alignas(64) unsigned char scratch[AS_SCRATCH_BYTES];
    as_exec exec = {.scratch = scratch};
    uint16_t data[6];
    float values[6] = {1, 2, 3, -1, 0.5f, 0}, x[3] = {1, 10, 100}, out[2] = {0}, bias[2] = {0.25f, 0};
    as_convert_from_f32(AS_F16, values, data, 6);
    as_matrix w = {.dtype = AS_F16, .rows = 2, .cols = 3, .stride = 3, .data = data};
    backend->matmul(
        &exec,
        &(as_matmul_args){.w = &w, .x = x, .n = 1, .x_stride = 3, .bias = bias, .out = out, .out_stride = 2});
    cr_assert_eq(out[0], 321.25f);
    cr_assert_eq(out[1], 4.0f);
}
