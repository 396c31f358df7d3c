/* Biases of attention's scores; see score_bias.h. */
#include "engine/blocks/score_bias.h"

static as_code bind_by_key(as_binder *binder, const as_score_bias_spec *bias, const as_score_heads *heads,
                           as_score_bias_weights *w, as_error *err)
{
    int64_t g = heads->kv_heads;
    const float *stored = NULL;
    float *rate, *units;
    AS_TRY(as_bind_linear(binder, AS_SLOT_SCORE_BIAS, g, g * heads->v_width, bias->projection_bias,
                          &w->projection, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_SCORE_BIAS_RATE, "", g, &stored, err));
    AS_TRY(as_bind_floats(binder, g, &rate, err));
    AS_TRY(as_bind_floats(binder, g * g, &units, err));
    for (int64_t i = 0; i < g; i++) {
        rate[i] = -stored[i];
        units[i * g + i] = 1;
    }
    w->rate = rate;
    w->units = w->one = units;
    return AS_OK;
}

as_code as_bind_score_bias(as_binder *binder, const as_model_spec *spec, const as_score_bias_spec *bias,
                           const as_score_heads *heads, as_score_bias_weights *out, as_error *err)
{
    if (bias->kind == AS_SCORE_BIAS_NONE) return AS_OK;
    if (bias->kind == AS_SCORE_BIAS_KEY) return bind_by_key(binder, bias, heads, out, err);
    AS_TRY(as_bind_linear(binder, AS_SLOT_SCORE_BIAS, heads->heads * bias->profiles, spec->hidden, false,
                          &out->projection, err));
    if (bias->most_length > 0) {
        AS_TRY(as_bind_vector(binder, AS_SLOT_SCORE_BIAS_SCALE, "", heads->heads * bias->profiles,
                              &out->scale, err));
    }
    return as_bind_matrix(binder, AS_SLOT_SCORE_BIAS_PROFILES, bias->distances, bias->profiles,
                          &out->profiles, err);
}

int64_t as_score_bias_needs(const as_model_spec *spec, const as_score_bias_spec *bias,
                            const as_score_heads *heads)
{
    int64_t g = heads->kv_heads;
    switch (bias->kind) {
    case AS_SCORE_BIAS_KEY: return g * (1 + bias->keep) + as_pass_linear_needs(g * heads->v_width);
    case AS_SCORE_BIAS_DISTANCE:
        return heads->heads * (bias->profiles + bias->distances) + as_pass_linear_needs(spec->hidden);
    default: return 0;
    }
}

void as_score_bias_store(as_pass *pass, const as_score_bias_spec *bias, const as_score_heads *heads,
                         const as_score_bias_weights *w, const float *v)
{
    int64_t g = heads->kv_heads, width = g * heads->v_width, mark = pass->work_used;
    if (bias->kind != AS_SCORE_BIAS_KEY) return;
    float *out = as_pass_floats(pass, pass->rows * g);
    as_pass_linear(pass, &w->projection, v, width, out, g);
    pass->ops->decay(&pass->exec, &(as_decay_args){.kind = AS_DECAY_SOFTPLUS,
                                                   .x = out,
                                                   .out = out,
                                                   .rate = w->rate,
                                                   .scale = 1,
                                                   .n = pass->rows,
                                                   .width = g,
                                                   .x_stride = g,
                                                   .out_stride = g});
    as_pass_store_keys(pass, pass->index, out, g, pass->spans);
    pass->work_used = mark;
}

/* For each row and key/value head the keys of the greatest biases: an index whose query is the head's unit
 * vector. The biases are positive, so that it leaves them as they are. */
static void choose_keys(as_pass *pass, const as_score_bias_spec *bias, const as_score_heads *heads,
                        const as_score_bias_weights *w, as_attention_args *args)
{
    int64_t g = heads->kv_heads, stride = g * bias->keep;
    int32_t *keys = (int32_t *)(void *)as_pass_floats(pass, pass->rows * stride);
    for (int64_t head = 0; head < g; head++) {
        pass->ops->index_keys(&pass->exec, &(as_index_keys_args){.cache = pass->index,
                                                                 .q = w->units + head * g,
                                                                 .weights = w->one,
                                                                 .heads = 1,
                                                                 .top = bias->keep,
                                                                 .window = heads->window,
                                                                 .keys = keys + head * bias->keep,
                                                                 .key_stride = stride,
                                                                 .spans = pass->spans,
                                                                 .span_count = pass->span_count});
    }
    args->keys = keys;
    args->key_count = args->key_head_stride = bias->keep;
    args->key_stride = stride;
}

float *as_score_bias_set(as_pass *pass, const as_score_bias_spec *bias, const as_score_heads *heads,
                         const as_score_bias_weights *w, const float *x, as_attention_args *args)
{
    if (bias->kind == AS_SCORE_BIAS_KEY) {
        args->key_bias = pass->index;
        if (bias->keep) choose_keys(pass, bias, heads, w, args);
    }
    if (bias->kind != AS_SCORE_BIAS_DISTANCE) return NULL;
    int64_t shares = heads->heads * bias->profiles, width = heads->heads * bias->distances;
    float *out = as_pass_floats(pass, pass->rows * width), *mix = as_pass_floats(pass, pass->rows * shares);
    as_pass_linear(pass, &w->projection, x, pass->spec->hidden, mix, shares);
    if (bias->most_length > 0) {
        as_pass_affine(pass, &(as_affine_weights){.scale = w->scale}, mix, shares);
        pass->ops->shorten(&pass->exec, &(as_shorten_args){.x = mix,
                                                           .n = pass->rows,
                                                           .groups = heads->heads,
                                                           .width = bias->profiles,
                                                           .stride = shares,
                                                           .most = bias->most_length});
    }
    pass->ops->matmul(&pass->exec, &(as_matmul_args){.w = &w->profiles,
                                                     .x = mix,
                                                     .n = pass->rows * heads->heads,
                                                     .x_stride = bias->profiles,
                                                     .out = out,
                                                     .out_stride = bias->distances});
    args->distance_bias = out;
    args->distances = bias->distances;
    args->distance_stride = width;
    return out;
}
