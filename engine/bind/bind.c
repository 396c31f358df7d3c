/* Weights by slot; see binder.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/bind/internal.h"

as_code as_binder_open(const as_binder_source *source, const as_model_spec *spec,
                       const as_precision *precision, as_pool *pool, as_model_memory *memory, as_binder **out,
                       as_error *err)
{
    as_binder *b = AS_NEW(as_binder);
    if (!b) return as_fail_memory(err, "loading the weights");
    *b = (as_binder){.source = *source,
                     .spec = spec,
                     .precision = precision,
                     .pool = pool,
                     .memory = memory,
                     .layer = -1,
                     .prefix = spec->prefixes[0]};
    const as_repository *repo = source->repository;
    if (repo) {
        b->used = AS_NEW_ARRAY(bool *, repo->weight_count);
        for (int64_t i = 0; b->used && i < repo->weight_count; i++) {
            b->used[i] = AS_NEW_ARRAY(bool, repo->weights[i].tensor_count);
            if (!b->used[i]) {
                as_binder_close(b);
                return as_fail_memory(err, "loading the weights");
            }
        }
        if (!b->used) {
            as_free(b);
            return as_fail_memory(err, "loading the weights");
        }
        as_binder_choose_prefix(b);
    }
    *out = b;
    return AS_OK;
}

void as_binder_close(as_binder *b)
{
    if (!b) return;
    for (int64_t i = 0; b->used && i < b->source.repository->weight_count; i++) as_free(b->used[i]);
    as_free(b->used);
    as_free(b);
}

void as_binder_at(as_binder *b, int64_t layer, int part)
{
    b->layer = layer;
    b->part = part;
}

void as_binder_stem(as_binder *b, const char *stem)
{
    b->stem = stem;
}

as_code as_binder_go_on(const as_binder *b, as_error *err)
{
    return as_pool_stopped(b->pool) ? as_fail(err, AS_E_CANCELLED, "interrupted while loading") : AS_OK;
}

as_binder_totals as_binder_result(const as_binder *b)
{
    return b->totals;
}

static as_code new_floats(as_binder *b, int64_t count, float **out, as_error *err)
{
    float *at = AS_ARENA_NEW_ARRAY(&b->memory->arena, float, count);
    if (!at) return as_fail_memory(err, "the weights");
    *out = at;
    return AS_OK;
}

/* Of a counted binder, whose blocks still reckon with the zeros: far more than any published model has. */
enum { MOST_SHARED = 1 << 28 };

/* Whoever has the smaller memory of before keeps it. */
static as_code share_floats(as_binder *b, struct as_shared_floats *shared, int64_t count, as_error *err)
{
    if (count < 0 || count > MOST_SHARED) {
        return as_fail(err, AS_E_LIMIT, "config.json asks for a vector of %lld numbers", (long long)count);
    }
    if (shared->at && count <= shared->count) return AS_OK;
    AS_TRY(new_floats(b, count, &shared->at, err));
    shared->count = count;
    return AS_OK;
}

as_code as_binder_zeros(as_binder *b, int64_t count, const float **out, as_error *err)
{
    AS_TRY(share_floats(b, &b->zeros, count, err));
    *out = b->zeros.at;
    return AS_OK;
}

as_code as_bind_floats(as_binder *b, int64_t count, float **out, as_error *err)
{
    if (!b->source.counted) return new_floats(b, count, out, err);
    AS_TRY(share_floats(b, &b->scratch, count, err));
    b->derived += count;
    if (b->derived > MOST_SHARED) {
        return as_fail(err, AS_E_LIMIT, "config.json asks for vectors of more than %d numbers", MOST_SHARED);
    }
    *out = b->scratch.at;
    return AS_OK;
}

/* ---- vectors ---------------------------------------------------------------------------------------------
 */

/* Rounds values to the run's 16-bit type, as a server holds them. */
static void round_values(const as_precision *p, as_dtype stored, float *values, int64_t count)
{
    if (p->as_stored || p->keep_base || p->base == AS_F32 || stored == p->base) return;
    for (int64_t i = 0; i < count; i++) {
        uint16_t rounded;
        as_convert_from_f32(p->base, &values[i], &rounded, 1);
        as_convert_to_f32(p->base, &rounded, &values[i], 1);
    }
}

/* `stack` runs of `count` values each, of which a slot's storage may take a part. */
static as_code fetch_values(as_binder *b, const as_found *found, int64_t stack, int64_t count, float *out,
                            as_error *err)
{
    const as_tensor *t = found->tensor;
    as_storage in = found->storage;
    if (t->elements != stack * count * in.parts) {
        char shape[96];
        as_describe_shape(t->shape, t->dims, shape);
        return as_fail(err, AS_E_INPUT, "%s: shape %s, expected %lld values", t->name, shape,
                       (long long)(stack * count * in.parts));
    }
    if (as_dtype_is_blocks(t->dtype) && (in.parts > 1 || stack > 1)) {
        return as_fail(err, AS_E_UNSUPPORTED, "%s: parts of a vector of %s", t->name,
                       as_dtype_name(t->dtype));
    }
    const void *data;
    AS_TRY(as_repository_data(b->source.repository, t, &data, err));
    const unsigned char *at = data;
    int64_t first = in.strided ? in.part : in.part * count;
    for (int64_t s = 0; s < stack; s++) {
        const unsigned char *run = at + as_dtype_span(t->dtype, s * count * in.parts + first);
        for (int64_t i = 0; in.strided && i < count; i++) {
            as_convert_to_f32(t->dtype, run + as_dtype_span(t->dtype, i * in.parts), out + s * count + i, 1);
        }
        if (!in.strided) as_convert_to_f32(t->dtype, run, out + s * count, count);
    }
    round_values(b->precision, t->dtype, out, stack * count);
    b->totals.weight_bytes += stack * count * (int64_t)sizeof *out;
    return AS_OK;
}

as_code as_bind_vector(as_binder *b, as_slot slot, const char *suffix, int64_t count, const float **out,
                       as_error *err)
{
    if (b->source.needs) return as_survey_vector(b, slot, suffix, 1, count, out, err);
    if (!b->source.repository) return as_generate_vector(b, slot, suffix, count, out, err);
    as_found found;
    float *values = NULL;
    AS_TRY(as_binder_need(b, slot, suffix, 0, &found, err));
    if (count < 0 || (found.tensor->elements < count && !found.storage.each_expert))
        return fetch_values(b, &found, 1, count, NULL, err);
    AS_TRY(as_bind_floats(b, count, &values, err));
    *out = values;
    if (!found.storage.each_expert) return fetch_values(b, &found, 1, count, values, err);
    int64_t part = found.tensor->elements; /* a tensor each head, one behind the other */
    for (int64_t e = 0; part > 0 && e * part < count; e++) {
        int64_t n = count - e * part < part ? count - e * part : part;
        AS_TRY(as_binder_need(b, slot, suffix, e, &found, err));
        AS_TRY(fetch_values(b, &found, 1, n, values + e * part, err));
    }
    return AS_OK;
}

as_code as_bind_number(as_binder *b, as_slot slot, const char *suffix, float *value, as_error *err)
{
    const float *found = NULL;
    if (!as_binder_has(b, slot, suffix)) return AS_OK;
    AS_TRY(as_bind_vector(b, slot, suffix, 1, &found, err));
    *value = found[0];
    return AS_OK;
}

/* [experts, rows], from one tensor or one of each expert. */
static as_code bind_expert_biases(as_binder *b, as_slot slot, int64_t experts, int64_t rows,
                                  const float **out, as_error *err)
{
    if (b->source.needs) return as_survey_vector(b, slot, ".bias", experts, rows, out, err);
    if (!b->source.repository) return as_generate_vector(b, slot, ".bias", experts * rows, out, err);
    as_found found;
    float *values = NULL;
    AS_TRY(as_bind_floats(b, experts * rows, &values, err));
    AS_TRY(as_binder_need(b, slot, ".bias", 0, &found, err));
    *out = values;
    if (!found.storage.each_expert) return fetch_values(b, &found, experts, rows, values, err);
    for (int64_t e = 0; e < experts; e++) {
        AS_TRY(as_binder_need(b, slot, ".bias", e, &found, err));
        AS_TRY(fetch_values(b, &found, 1, rows, values + e * rows, err));
    }
    return AS_OK;
}

as_code as_bind_norm(as_binder *b, const as_norm_spec *norm, int64_t width, as_norm_weights *out,
                     as_error *err)
{
    as_norm_weights weights = {0};
    if (norm->present && !norm->weightless) {
        AS_TRY(as_bind_vector(b, norm->slot, ".weight", width, &weights.weight, err));
        if (norm->has_bias) AS_TRY(as_bind_vector(b, norm->slot, ".bias", width, &weights.bias, err));
        if (norm->weight_first) {
            float *whole;
            AS_TRY(as_bind_floats(b, width, &whole, err));
            for (int64_t i = 0; i < width; i++) whole[i] = weights.weight[i] + norm->weight_offset;
            weights.weight = whole;
        }
    }
    *out = weights;
    return AS_OK;
}

as_code as_bind_added_conv(as_binder *b, as_slot slot, int64_t width, int64_t taps, float factor,
                           const float **out, as_error *err)
{
    const float *stored = NULL;
    float *sum;
    AS_TRY(as_bind_vector(b, slot, ".weight", width * taps, &stored, err));
    AS_TRY(as_bind_floats(b, width * taps, &sum, err));
    for (int64_t i = 0; i < width * taps; i++) sum[i] = (stored[i] + ((i + 1) % taps == 0 ? 1 : 0)) * factor;
    *out = sum;
    return AS_OK;
}

static as_code derive_factors(as_binder *b, const as_affine_spec *affine, int64_t width, const float **scale,
                              as_error *err)
{
    float *out;
    if (affine->factors == AS_FACTORS_STORED) return AS_OK;
    AS_TRY(as_bind_floats(b, width, &out, err));
    for (int64_t i = 0; i < width; i++) {
        float w = (*scale)[i] / affine->temperature, gate = 1 / (1 + expf(-w));
        float kept = 1 / (1 + expf(w)) * (1 + gate);
        out[i] = affine->factors == AS_FACTORS_NEW ? gate : sqrtf(fmaxf(kept, affine->least));
    }
    *scale = out;
    return AS_OK;
}

as_code as_bind_affine(as_binder *b, const as_affine_spec *affine, int64_t width, as_affine_weights *out,
                       as_error *err)
{
    as_affine_weights weights = {0};
    if (affine->shift != AS_SLOT_NONE)
        AS_TRY(as_bind_vector(b, affine->shift, "", width, &weights.shift, err));
    if (affine->shift_2 != AS_SLOT_NONE) {
        const float *more;
        float *both;
        AS_TRY(as_bind_vector(b, affine->shift_2, "", width, &more, err));
        AS_TRY(as_bind_floats(b, width, &both, err));
        for (int64_t i = 0; i < width; i++) both[i] = weights.shift[i] + more[i];
        weights.shift = both;
    }
    if (affine->scale != AS_SLOT_NONE) {
        AS_TRY(as_bind_vector(b, affine->scale, "", width, &weights.scale, err));
        AS_TRY(derive_factors(b, affine, width, &weights.scale, err));
    }
    *out = weights;
    return AS_OK;
}

/* ---- matrices --------------------------------------------------------------------------------------------
 */

/* Types that a product reads as they are. */
static bool is_product_type(as_dtype type)
{
    return type == AS_F32 || type == AS_F16 || type == AS_BF16 || type == AS_E4M3 || type == AS_Q8_0 ||
           type == AS_E2M1;
}

as_need as_binder_shape(const as_wanted_matrix *want, const as_storage *in)
{
    int64_t all = want->rows * in->parts;
    as_need need = {.dims = 0};
    if (want->experts && !in->each_expert) need.shape[need.dims++] = want->experts;
    need.shape[need.dims++] = in->transposed ? want->cols : all;
    need.shape[need.dims++] = in->transposed ? all : want->cols;
    need.longer = in->longer;
    return need;
}

as_code as_check_shape(const as_tensor *t, const as_need *need, as_error *err)
{
    char found[96], wanted[96];
    if (as_need_fits(need, t)) return AS_OK;
    as_describe_shape(t->shape, t->dims, found);
    as_describe_shape(need->shape, need->dims, wanted);
    return as_fail(err, AS_E_INPUT, "%s: shape %s, expected %s", t->name, found, wanted);
}

const char *const as_scale_suffixes[] = {".weight_scale_inv", ".weight_scale", NULL};

/* Scales of a matrix stored in 8 bits: of the tensor, of rows, or of blocks. */
static as_code fetch_scales(as_binder *b, const as_wanted_matrix *want, as_matrix *m, as_error *err)
{
    as_found found = {0};
    for (int i = 0; as_scale_suffixes[i] && !found.tensor; i++) {
        as_binder_look_up(b, want->slot, as_scale_suffixes[i], want->expert, &found);
    }
    if (!found.tensor && b->source.scaled) {
        as_binder_look_up(b, want->slot, as_scale_suffixes[0], want->expert, &found);
        return as_fail(err, AS_E_INPUT, "tensor %s (scales of a matrix in 8 bits) is missing", found.name);
    }
    if (!found.tensor) return AS_OK; /* scale 1 */
    const as_tensor *t = found.tensor;
    int64_t rows = b->source.block_rows ? b->source.block_rows : 128;
    int64_t cols = b->source.block_cols ? b->source.block_cols : 128;
    int64_t high = (m->rows + rows - 1) / rows, wide = (m->cols + cols - 1) / cols;
    if (t->elements == 1) {
        m->scale = AS_SCALE_TENSOR;
    } else if (t->dims == 2 && t->shape[0] == high && t->shape[1] == wide) {
        m->scale = AS_SCALE_BLOCK;
        m->block_rows = rows;
        m->block_cols = cols;
    } else if (t->elements == m->rows) {
        m->scale = AS_SCALE_ROW;
    } else {
        char shape[96];
        as_describe_shape(t->shape, t->dims, shape);
        return as_fail(err, AS_E_INPUT, "%s: shape %s, expected one scale, one for each row, or [%lld,%lld]",
                       t->name, shape, (long long)high, (long long)wide);
    }
    as_binder_mark_used(b, t);
    const void *data;
    float *scales = NULL;
    AS_TRY(as_repository_data(b->source.repository, t, &data, err));
    AS_TRY(as_bind_floats(b, t->elements, &scales, err));
    as_convert_to_f32(t->dtype, data, scales, t->elements);
    m->scales = scales;
    b->totals.weight_bytes += t->elements * (int64_t)sizeof *scales;
    return AS_OK;
}

/* Whether a tensor of bytes has that shape; it counts as used, for `each` parameters a byte. */
static as_code check_packed(as_binder *b, const as_tensor *t, const int64_t *shape, int dims, int64_t each,
                            as_error *err)
{
    bool same = t->dims == dims && t->dtype == AS_U8;
    for (int i = 0; same && i < dims; i++) same = t->shape[i] == shape[i];
    if (!same) {
        char room[96];
        as_describe_shape(t->shape, t->dims, room);
        return as_fail(err, AS_E_INPUT, "%s: %s %s, expected U8 [%lld,%lld,%lld%s]", t->name,
                       as_dtype_name(t->dtype), room, (long long)shape[0], (long long)shape[1],
                       (long long)shape[2], dims == 4 ? ",16" : "");
    }
    int64_t before = b->totals.parameters;
    as_binder_mark_used(b, t);
    b->totals.parameters += (b->totals.parameters - before) * (each - 1);
    return AS_OK;
}

/* One expert of a stack in MXFP4, as gpt-oss publishes it: name_blocks [experts, rows, cols / 32, 16] and
 * name_scales [experts, rows, cols / 32]. Never transposed, whatever the name says of unpacked ones. */
static as_code fetch_packed(as_binder *b, const as_wanted_matrix *want, const as_found *blocks,
                            as_matrix *out, as_error *err)
{
    as_found scales;
    as_storage in = blocks->storage;
    int64_t all = want->rows * in.parts, groups = want->cols / AS_E2M1_BLOCK;
    int64_t shape[4] = {want->experts, all, groups, AS_E2M1_BLOCK / 2};
    as_binder_look_up(b, want->slot, ".scales", want->expert, &scales);
    if (!scales.tensor || !blocks->tensor) {
        return as_fail(err, AS_E_INPUT, "tensor %s (of a stack of packed experts) is missing",
                       blocks->tensor ? scales.name : blocks->name);
    }
    if (want->cols % AS_E2M1_BLOCK) {
        return as_fail(err, AS_E_INPUT, "%s: rows of %lld are not whole blocks of 32", blocks->tensor->name,
                       (long long)want->cols);
    }
    AS_TRY(check_packed(b, blocks->tensor, shape, 4, 2, err));
    AS_TRY(check_packed(b, scales.tensor, shape, 3, 0, err));
    const void *data, *powers;
    AS_TRY(as_repository_data(b->source.repository, blocks->tensor, &data, err));
    AS_TRY(as_repository_data(b->source.repository, scales.tensor, &powers, err));
    int64_t step = in.strided ? in.parts : 1,
            first = want->expert * all + (in.strided ? in.part : in.part * want->rows);
    *out = (as_matrix){.dtype = AS_E2M1,
                       .scale = AS_SCALE_POWERS,
                       .rows = want->rows,
                       .cols = want->cols,
                       .stride = want->cols * step,
                       .data = (const unsigned char *)data + as_dtype_span(AS_E2M1, first * want->cols),
                       .powers = (const uint8_t *)powers + first * groups,
                       .power_stride = groups * step};
    b->totals.weight_bytes += want->rows * groups;
    return AS_OK;
}

static bool has_packed_scales(const as_binder *b, const as_wanted_matrix *want)
{
    as_found scales;
    as_binder_look_up(b, want->slot, ".scales", want->expert, &scales);
    return scales.tensor != NULL;
}

as_code as_fetch_matrix(as_binder *b, const as_wanted_matrix *want, as_matrix *out, as_error *err)
{
    int64_t rows = want->rows, cols = want->cols;
    if (b->source.needs) return as_survey_matrix(b, want, out, err);
    if (!b->source.repository) return as_generate_matrix(b, rows, cols, out, err);
    as_found found;
    if (want->experts) as_binder_look_up(b, want->slot, ".blocks", want->expert, &found);
    if (want->experts && (found.tensor || has_packed_scales(b, want))) {
        return fetch_packed(b, want, &found, out, err);
    }
    AS_TRY(as_binder_need(b, want->slot, ".weight", want->expert, &found, err));
    const as_tensor *t = found.tensor;
    as_storage in = found.storage;
    if (in.perhaps) {
        as_storage plain = in;
        plain.transposed = false;
        as_need other = as_binder_shape(want, &plain);
        if (as_need_fits(&other, t)) in = plain;
    }
    as_need need = as_binder_shape(want, &in);
    AS_TRY(as_check_shape(t, &need, err));
    int64_t height = need.shape[need.dims - 2], width = need.shape[need.dims - 1];
    const void *data;
    AS_TRY(as_repository_data(b->source.repository, t, &data, err));
    int64_t first = in.strided ? in.part : in.part * rows, step = in.strided ? in.parts : 1;
    const unsigned char *at = data;
    if (need.dims == 3) at += as_dtype_span(t->dtype, want->expert * height * width);
    as_matrix m = {.dtype = t->dtype, .rows = rows, .cols = cols, .stride = cols * step};
    m.data = at + as_dtype_span(t->dtype, first * cols);
    if (in.transposed) {
        m = (as_matrix){.dtype = t->dtype, .rows = cols, .cols = width, .stride = width, .data = at};
        if (as_dtype_is_blocks(m.dtype)) AS_TRY(as_convert_matrix(b, &m, AS_F32, err));
        AS_TRY(as_transpose_matrix(b, &m, rows, first, step, err));
    }
    if (t->dtype == AS_E4M3) AS_TRY(fetch_scales(b, want, &m, err));
    if (m.dtype == AS_MXFP4) AS_TRY(as_unpack_mxfp4(b, &m, err));
    bool blocks = as_dtype_is_blocks(m.dtype); /* these are read byte by byte */
    bool misaligned = !blocks && (uintptr_t)m.data % (uintptr_t)as_dtype_bytes(m.dtype) != 0;
    if (!is_product_type(m.dtype)) {
        AS_TRY(as_convert_matrix(b, &m, AS_F32, err));
    } else if (misaligned) {
        AS_TRY(as_convert_matrix(b, &m, m.dtype, err));
    }
    *out = m;
    return AS_OK;
}

static int64_t held_bytes(const as_matrix *m)
{
    return as_dtype_span(m->dtype, m->rows * m->cols);
}

static as_code bind_wanted(as_binder *b, const as_wanted_matrix *want, as_matrix *out, as_error *err)
{
    as_matrix m;
    AS_TRY(as_fetch_matrix(b, want, &m, err));
    const as_precision *p = b->precision;
    if (!p->as_stored && !p->keep_base && m.dtype != p->base) AS_TRY(as_convert_matrix(b, &m, p->base, err));
    b->totals.weight_bytes += held_bytes(&m);
    *out = m;
    return AS_OK;
}

as_code as_bind_matrix(as_binder *b, as_slot slot, int64_t rows, int64_t cols, as_matrix *out, as_error *err)
{
    return bind_wanted(b, &(as_wanted_matrix){.slot = slot, .rows = rows, .cols = cols}, out, err);
}

enum { MOST_PARTS = 1 << 16 };

as_code as_bind_rows(as_binder *b, as_slot slot, int64_t rows, int64_t cols, int64_t parts,
                     const as_matrix **out, int64_t *height, as_error *err)
{
    int64_t each = as_binder_elements(b, slot, ".weight") / cols;
    if (each < 1) each = (rows + parts - 1) / parts;
    if (each > rows) each = rows;
    int64_t count = (rows + each - 1) / each;
    if (count > MOST_PARTS) {
        return as_fail(err, AS_E_LIMIT, "%s: %lld tensors, at most %d are possible", as_slot_name(slot),
                       (long long)count, MOST_PARTS);
    }
    as_matrix *all = AS_ARENA_NEW_ARRAY(&b->memory->arena, as_matrix, count);
    if (!all) return as_fail_memory(err, "the weights");
    for (int64_t i = 0; i < count; i++) {
        int64_t left = rows - i * each;
        as_wanted_matrix want = {.slot = slot, .rows = left < each ? left : each, .cols = cols};
        if (count > 1 || parts > 1) {
            want.experts = count;
            want.expert = i;
        }
        AS_TRY(bind_wanted(b, &want, &all[i], err));
    }
    *out = all;
    *height = each;
    return AS_OK;
}

static as_code to_precision(as_binder *b, as_matrix *m, as_activation_rounding *rounding, as_error *err)
{
    const as_precision *p = b->precision;
    if (p->quantized) {
        AS_TRY(as_quantize_matrix(b, m, err));
        *rounding = p->rounding;
    } else if (!p->as_stored && m->dtype != p->base) {
        AS_TRY(as_convert_matrix(b, m, p->base, err));
    }
    b->totals.weight_bytes += held_bytes(m);
    return AS_OK;
}

static as_code bind_ternary(as_binder *b, const as_wanted_matrix *want, bool bias, as_linear *out,
                            as_error *err)
{
    as_linear linear = {0};
    float scale, *scaled;
    AS_TRY(as_fetch_ternary(b, want, &linear, &scale, err));
    as_activation_rounding rounding = linear.rounding;
    if (b->precision->quantized) AS_TRY(to_precision(b, &linear.w, &rounding, err));
    rounding.norm = linear.rounding.norm;
    rounding.norm_eps = linear.rounding.norm_eps;
    linear.rounding = rounding;
    if (!b->precision->quantized) b->totals.weight_bytes += held_bytes(&linear.w);
    if (bias) {
        AS_TRY(as_bind_vector(b, want->slot, ".bias", want->rows, &linear.bias, err));
        AS_TRY(as_bind_floats(b, want->rows, &scaled, err));
        for (int64_t i = 0; i < want->rows; i++) scaled[i] = linear.bias[i] * scale;
        linear.bias = scaled;
    }
    *out = linear;
    return AS_OK;
}

as_code as_bind_linear(as_binder *b, as_slot slot, int64_t rows, int64_t cols, bool bias, as_linear *out,
                       as_error *err)
{
    as_linear linear = {0};
    as_wanted_matrix want = {.slot = slot, .rows = rows, .cols = cols};
    if (b->source.repository && !b->source.needs && as_ternary_applies(b, slot))
        return bind_ternary(b, &want, bias, out, err);
    AS_TRY(as_fetch_matrix(b, &want, &linear.w, err));
    AS_TRY(to_precision(b, &linear.w, &linear.rounding, err));
    if (bias) AS_TRY(as_bind_vector(b, slot, ".bias", rows, &linear.bias, err));
    if (b->source.needs && as_ternary_applies(b, slot)) AS_TRY(as_survey_ternary(b, slot, cols, err));
    *out = linear;
    return AS_OK;
}

as_code as_bind_latent_up(as_binder *b, int64_t heads, int64_t k, int64_t v, int64_t rank, as_linear *out,
                          as_error *err)
{
    as_matrix *keys = AS_ARENA_NEW_ARRAY(&b->memory->arena, as_matrix, 2 * heads);
    if (!keys) return as_fail_memory(err, "the weights");
    as_matrix *values = keys + heads;
    as_linear linear = {0};
    for (int64_t h = 0; h < heads; h++) {
        as_wanted_matrix key = {.slot = AS_SLOT_K_UP, .rows = rank, .cols = k, .experts = heads, .expert = h};
        as_wanted_matrix value = {
            .slot = AS_SLOT_V_UP, .rows = v, .cols = rank, .experts = heads, .expert = h};
        AS_TRY(as_fetch_matrix(b, &key, &keys[h], err));
        AS_TRY(as_fetch_matrix(b, &value, &values[h], err));
    }
    AS_TRY(as_join_latent(b, keys, values, heads, &linear.w, err));
    AS_TRY(to_precision(b, &linear.w, &linear.rounding, err));
    *out = linear;
    return AS_OK;
}

as_code as_bind_stack(as_binder *b, as_slot slot, int64_t count, int64_t rows, int64_t cols,
                      as_expert_stack *out, as_error *err)
{
    int64_t before = b->totals.expert_parameters;
    AS_TRY(as_bind_experts(b, slot, count, rows, cols, false, out, err));
    b->totals.expert_parameters = before;
    return AS_OK;
}

as_code as_bind_experts(as_binder *b, as_slot slot, int64_t experts, int64_t rows, int64_t cols, bool bias,
                        as_expert_stack *out, as_error *err)
{
    as_matrix *stack = AS_ARENA_NEW_ARRAY(&b->memory->arena, as_matrix, experts);
    if (!stack) return as_fail_memory(err, "the experts");
    as_expert_stack result = {.w = stack};
    int64_t before = b->totals.parameters;
    for (int64_t e = 0; e < experts; e++) {
        as_wanted_matrix want = {.slot = slot, .rows = rows, .cols = cols, .experts = experts, .expert = e};
        AS_TRY(as_fetch_matrix(b, &want, &stack[e], err));
        AS_TRY(to_precision(b, &stack[e], &result.rounding, err));
    }
    if (bias) AS_TRY(bind_expert_biases(b, slot, experts, rows, &result.bias, err));
    b->totals.expert_parameters += b->totals.parameters - before;
    *out = result;
    return AS_OK;
}

as_code as_bind_float_blocks(as_binder *b, const float *values, int64_t blocks, int64_t rows, int64_t cols,
                             as_expert_stack *out, as_error *err)
{
    as_matrix *stack = AS_ARENA_NEW_ARRAY(&b->memory->arena, as_matrix, blocks);
    if (!stack) return as_fail_memory(err, "the weights");
    for (int64_t i = 0; i < blocks; i++) {
        stack[i] = (as_matrix){
            .dtype = AS_F32, .rows = rows, .cols = cols, .stride = cols, .data = values + i * rows * cols};
    }
    *out = (as_expert_stack){.w = stack};
    return AS_OK;
}

as_code as_bind_joined_stacks(as_binder *b, as_expert_stack *stack, int64_t count,
                              const as_expert_stack *more, int64_t more_count, as_error *err)
{
    as_matrix *all = AS_ARENA_NEW_ARRAY(&b->memory->arena, as_matrix, count + more_count);
    if (!all) return as_fail_memory(err, "the experts");
    memcpy(all, stack->w, (size_t)count * sizeof *all);
    memcpy(all + count, more->w, (size_t)more_count * sizeof *all);
    stack->w = all;
    return AS_OK;
}

as_code as_bind_blocks(as_binder *b, as_slot slot, int64_t blocks, int64_t rows, int64_t cols,
                       as_expert_stack *out, as_error *err)
{
    int64_t routed = b->totals.expert_parameters;
    AS_TRY(as_bind_experts(b, slot, blocks, rows, cols, false, out, err));
    b->totals.expert_parameters = routed;
    return AS_OK;
}
