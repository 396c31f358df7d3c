/* Linear layers of three values, -1, 0 and 1, with one scale (BitNet b1.58): as transformers
 * integrations/bitnet.py reads them. In the product they are e4m3, which holds them exactly; its inputs are
 * rounded to int8. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/bind/internal.h"

enum { EACH = 4 }; /* values in a byte: rows r, r + n, r + 2n and r + 3n of 4n */

/* -1, 0, 1, and what the fourth pattern of two bits gives, as e4m3. */
static const unsigned char codes[EACH] = {0xB8, 0x00, 0x38, 0x40};

void as_ternary_from_config(const json_t *quantization, as_ternary_source *out)
{
    const char *method = json_string_value(json_object_get(quantization, "quant_method"));
    const char *class = json_string_value(json_object_get(quantization, "linear_class"));
    const char *mode = json_string_value(json_object_get(quantization, "quantization_mode"));
    const json_t *eps = json_object_get(quantization, "rms_norm_eps");
    *out = (as_ternary_source){0};
    if (!method || strcmp(method, "bitnet") != 0) return;
    bool automatic = class && strcmp(class, "autobitlinear") == 0,
         online = mode && strcmp(mode, "online") == 0;
    out->kind = !automatic ? AS_TERNARY_DIVIDED : online ? AS_TERNARY_ONLINE : AS_TERNARY_TIMES;
    out->normed = json_is_true(json_object_get(quantization, "use_rms_norm"));
    out->eps = json_is_number(eps) ? (float)json_number_value(eps) : 1e-6f;
    out->kept = json_object_get(quantization, "modules_to_not_convert");
}

/* Whether the module of that tensor is named among those that are as they were: by its beginning or end. */
static bool is_kept(const as_binder *b, const char *name)
{
    size_t size = strlen(name), suffix = strlen(".weight"), index;
    const json_t *kept;
    if (size > suffix && strcmp(name + size - suffix, ".weight") == 0) size -= suffix;
    json_array_foreach(b->source.ternary.kept, index, kept)
    {
        const char *one = json_string_value(kept);
        size_t length = one ? strlen(one) : 0;
        if (!length || length > size) continue;
        if (strncmp(name, one, length) == 0 || strncmp(name + size - length, one, length) == 0) return true;
    }
    return false;
}

bool as_ternary_applies(const as_binder *b, as_slot slot)
{
    as_found found;
    if (b->source.ternary.kind == AS_TERNARY_NONE) return false;
    as_binder_look_up(b, slot, ".weight", 0, &found);
    return !is_kept(b, found.name);
}

/* The row of the whole tensor that is row r of what the slot asks for. */
static int64_t whole_row(const as_storage *in, int64_t rows, int64_t r)
{
    return in->strided ? in->part + r * in->parts : in->part * rows + r;
}

static as_code check_packed(const as_tensor *t, const as_wanted_matrix *want, const as_storage *in,
                            as_error *err)
{
    int64_t rows = want->rows * in->parts;
    if (t->dims == 2 && t->shape[0] * EACH == rows && t->shape[1] == want->cols) return AS_OK;
    char shape[96];
    as_describe_shape(t->shape, t->dims, shape);
    return as_fail(err, AS_E_INPUT, "%s: shape %s, expected [%lld,%lld] of four rows each", t->name, shape,
                   (long long)((rows + EACH - 1) / EACH), (long long)want->cols);
}

typedef struct ternary_job {
    const as_tensor *tensor;
    const unsigned char *from;
    const as_wanted_matrix *want;
    const as_storage *in;
    float scale; /* of numbers that are rounded here */
    unsigned char *to;
} ternary_job;

static void unpack_row(void *context, int64_t r, int worker)
{
    const ternary_job *job = context;
    int64_t cols = job->want->cols, packed = job->tensor->shape[0],
            row = whole_row(job->in, job->want->rows, r);
    const unsigned char *from = job->from + row % packed * cols;
    int shift = (int)(2 * (row / packed));
    (void)worker;
    for (int64_t c = 0; c < cols; c++) job->to[r * cols + c] = codes[from[c] >> shift & 3];
}

static void round_row(void *context, int64_t r, int worker)
{
    const ternary_job *job = context;
    int64_t cols = job->want->cols, row = whole_row(job->in, job->want->rows, r);
    const as_tensor *t = job->tensor;
    (void)worker;
    for (int64_t c = 0; c < cols; c++) {
        float value;
        as_convert_to_f32(t->dtype, job->from + as_dtype_span(t->dtype, row * cols + c), &value, 1);
        float nearest = rintf(value * job->scale);
        job->to[r * cols + c] = codes[nearest < 0 ? 0 : nearest > 0 ? 2 : 1];
    }
}

/* One over the mean magnitude of the whole tensor. */
static float scale_of_mean(const as_tensor *t, const unsigned char *data)
{
    double sum = 0;
    for (int64_t i = 0; i < t->elements; i++) {
        float value;
        as_convert_to_f32(t->dtype, data + as_dtype_span(t->dtype, i), &value, 1);
        sum += fabs((double)value);
    }
    return 1 / fmaxf((float)(sum / (double)t->elements), 1e-5f);
}

/* What weight_scale says, or 1. */
static as_code find_scale(as_binder *b, as_slot slot, float *scale, as_error *err)
{
    as_found found;
    *scale = 1;
    as_binder_look_up(b, slot, ".weight_scale", 0, &found);
    return found.tensor ? as_bind_number(b, slot, ".weight_scale", scale, err) : AS_OK;
}

static as_code set_scale(as_binder *b, as_matrix *m, float scale, as_error *err)
{
    float *at;
    if (m->scale != AS_SCALE_NONE) AS_TRY(as_convert_matrix(b, m, AS_F32, err));
    AS_TRY(as_bind_floats(b, 1, &at, err));
    *at = scale;
    m->scale = AS_SCALE_TENSOR;
    m->scales = at;
    return AS_OK;
}

/* The three values from the packed tensor, or from numbers that are rounded to them. */
static as_code make_ternary(as_binder *b, const as_wanted_matrix *want, const as_found *found, bool packed,
                            float scale, as_matrix *out, as_error *err)
{
    const as_tensor *t = found->tensor;
    const void *data;
    ternary_job job = {.tensor = t, .want = want, .in = &found->storage};
    if (packed) AS_TRY(check_packed(t, want, &found->storage, err));
    AS_TRY(as_repository_data(b->source.repository, t, &data, err));
    job.from = data;
    job.to = as_binder_take(b, want->rows * want->cols);
    if (!job.to) return as_fail_memory(err, "the weights");
    if (!packed) {
        job.scale = scale_of_mean(t, data);
        scale = 1 / job.scale;
    }
    as_pool_for(b->pool, want->rows, packed ? unpack_row : round_row, &job);
    as_matrix m = {
        .dtype = AS_E4M3, .rows = want->rows, .cols = want->cols, .stride = want->cols, .data = job.to};
    AS_TRY(set_scale(b, &m, scale, err));
    *out = m;
    return AS_OK;
}

/* A packed tensor counts as used, for the parameters that it holds. */
static void use_packed(as_binder *b, const as_tensor *t)
{
    int64_t before = b->totals.parameters;
    as_binder_mark_used(b, t);
    b->totals.parameters += (b->totals.parameters - before) * (EACH - 1);
}

as_code as_fetch_ternary(as_binder *b, const as_wanted_matrix *want, as_linear *out, float *bias_scale,
                         as_error *err)
{
    const as_ternary_source *source = &b->source.ternary;
    as_found found;
    float scale;
    AS_TRY(as_binder_find(b, want->slot, ".weight", 0, &found, err));
    AS_TRY(find_scale(b, want->slot, &scale, err));
    bool packed = found.tensor->dtype == AS_U8;
    *bias_scale = source->kind == AS_TERNARY_TIMES ? scale : 1;
    if (source->kind == AS_TERNARY_DIVIDED) scale = 1 / scale;
    if (packed || source->kind == AS_TERNARY_ONLINE) {
        if (packed) {
            use_packed(b, found.tensor);
        } else {
            as_need need = as_binder_shape(want, &found.storage);
            AS_TRY(as_binder_need(b, want->slot, ".weight", 0, &found, err));
            AS_TRY(as_check_shape(found.tensor, &need, err));
        }
        AS_TRY(make_ternary(b, want, &found, packed, scale, &out->w, err));
    } else {
        AS_TRY(as_fetch_matrix(b, want, &out->w, err));
        AS_TRY(set_scale(b, &out->w, scale, err));
    }
    out->rounding = (as_activation_rounding){.on = true, .kind = AS_QUANT_INT8};
    if (!source->normed) return AS_OK;
    out->rounding.norm_eps = source->eps;
    return as_bind_vector(b, want->slot, ".rms_norm.weight", want->cols, &out->rounding.norm, err);
}

as_need as_ternary_shape(const as_wanted_matrix *want, const as_storage *in)
{
    as_need need = as_binder_shape(want, in);
    need.shape[0] = (need.shape[0] + EACH - 1) / EACH;
    return need;
}
