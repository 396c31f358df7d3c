/* What families with experts share; see experts.h. */
#include "engine/arch/experts.h"

#include <string.h>

static int64_t size_of(as_config *c, const char *key, int64_t otherwise, int64_t most)
{
    return otherwise ? as_config_size_or(c, key, otherwise, most) : as_config_size(c, key, most);
}

as_moe_spec as_spec_experts(as_config *c, const as_expert_keys *keys)
{
    const char *count = keys->count, *top_k = keys->top_k;
    if (*top_k) top_k = as_config_key(c, top_k, "num_experts_per_tok");
    if (keys->other_count && !as_config_has(c, count)) count = keys->other_count;
    as_moe_spec moe = {.experts = size_of(c, count, keys->count_default, AS_MOST_EXPERTS),
                       .top_k = size_of(c, top_k, keys->top_k_default, AS_MOST_EXPERTS),
                       .width = size_of(c, keys->width, keys->width_default, AS_MOST_WIDTH),
                       .act = keys->silu ? AS_ACT_SILU : as_config_activation(c, "hidden_act", "silu"),
                       .gated = true,
                       .route = AS_ROUTE_SOFTMAX,
                       .scale = 1,
                       .groups = 1};
    if (moe.top_k > moe.experts) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld of %lld experts", top_k, (long long)moe.top_k,
                       (long long)moe.experts);
    }
    return moe;
}

void as_spec_share(as_config *c, as_moe_spec *moe, int64_t width)
{
    if (width < 0 || width > AS_MOST_WIDTH) {
        as_config_fail(c, AS_E_INPUT, "the shared experts are %lld wide", (long long)width);
        return;
    }
    moe->shared = (as_mlp_spec){.width = width,
                                .act = moe->act,
                                .gated = true,
                                .gate = AS_SLOT_SHARED_GATE,
                                .up = AS_SLOT_SHARED_UP,
                                .down = AS_SLOT_SHARED_DOWN};
}

void as_spec_share_by(as_config *c, as_moe_spec *moe, const char *key, int64_t otherwise)
{
    int64_t width = as_config_int(c, key, otherwise);
    if (width < 0 || width > AS_MOST_WIDTH) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld, expected 0 to %d", key, (long long)width,
                       AS_MOST_WIDTH);
        return;
    }
    as_spec_share(c, moe, width);
}

void as_spec_route_by_sigmoid(as_config *c, as_moe_spec *moe, const as_route_defaults *d)
{
    const char *groups = as_config_key(c, "n_group", "num_expert_group");
    moe->route = AS_ROUTE_SIGMOID;
    moe->correction = true;
    moe->normalise = as_config_bool(c, as_config_key(c, "norm_topk_prob", "moe_renormalize"), d->normalise);
    moe->scale = as_config_factor(c, "routed_scaling_factor", d->scale);
    moe->groups = as_config_size_or(c, groups, d->groups ? d->groups : 1, AS_MOST_EXPERTS);
    moe->group_top = as_config_size_or(c, "topk_group", d->group_top ? d->group_top : 1, AS_MOST_EXPERTS);
    if (moe->experts % moe->groups) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld, which does not divide the %lld experts", groups,
                       (long long)moe->groups, (long long)moe->experts);
    } else if (moe->group_top > moe->groups || moe->top_k > moe->group_top * (moe->experts / moe->groups)) {
        as_config_fail(c, AS_E_INPUT,
                       "\"topk_group\" is %lld: %lld experts cannot be chosen from %lld of %lld groups",
                       (long long)moe->group_top, (long long)moe->top_k, (long long)moe->group_top,
                       (long long)moe->groups);
    }
}

int64_t as_spec_shared_count(as_config *c, const char *key, int64_t otherwise)
{
    if (json_is_null(json_object_get(c->root, key))) return 0;
    int64_t count = as_config_int(c, key, otherwise);
    if (count >= 0 && count <= AS_MOST_EXPERTS) return count;
    as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld, expected 0 to %d", key, (long long)count,
                   (int)AS_MOST_EXPERTS);
    return 0;
}

int64_t as_spec_kv_default(const as_config *c, int64_t absent)
{
    return json_object_get(c->root, "num_key_value_heads") ? 0 : absent;
}

bool as_spec_is_sparse(as_config *c, const as_model_spec *spec, int64_t layer, int64_t first)
{
    const char *type = as_config_layer_name(c, "mlp_layer_types", layer, spec->layer_count);
    if (!type) return layer >= first;
    if (strcmp(type, "sparse") == 0) return true;
    if (strcmp(type, "dense") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"mlp_layer_types\"[%lld] is \"%s\", expected dense or sparse",
                       (long long)layer, type);
    }
    return false;
}

as_step *as_spec_add_either(as_config *c, as_model_spec *spec, int64_t layer, const as_moe_spec *moe,
                            const as_mlp_spec *mlp, as_norm_spec norm)
{
    if (moe) return as_spec_add_ffn(c, spec, layer, &as_block_moe, moe, norm);
    return as_spec_add_ffn(c, spec, layer, &as_block_mlp, mlp, norm);
}

void as_spec_norm_heads(as_attention_spec *attention, double eps)
{
    attention->q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 0);
    attention->k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 0);
}
