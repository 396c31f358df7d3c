/* What no single key says of families that mix recurrent layers with attention, or have no attention; see
 * gguf_complete.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/arch/gguf_complete.h"
#include "engine/arch/gguf_fields.h"

/* ---- Mamba -----------------------------------------------------------------------------------------------
 */

as_code as_gguf_complete_mamba(const as_gguf *gguf, json_t *config, as_error *err)
{
    bool norms = false;
    double inner = (double)as_gguf_rows(gguf, "ssm_in.weight") / 2;
    double hidden = as_gguf_field(config, "hidden_size");
    AS_TRY(as_gguf_own_bool(gguf, "ssm.dt_b_c_rms", &norms, err));
    if (inner > 0 && hidden > 0) AS_TRY(as_gguf_set(config, "expand", json_real(inner / hidden), err));
    if (!norms) return AS_OK;
    double eps = as_gguf_field(config, "layer_norm_epsilon");
    AS_TRY(as_gguf_set(config, "mixer_rms_eps", json_real(eps), err));
    return as_gguf_set_class(config, "FalconMambaForCausalLM", err);
}

/* Mamba-2's heads and its inner width as a multiple of the model's, under a family's names for them. */
static as_code set_mamba2_heads(const as_gguf *gguf, json_t *config, const char *heads_field,
                                const char *width_field, const char *expand_field, as_error *err)
{
    int64_t heads = 0, inner = 0;
    double hidden = as_gguf_field(config, "hidden_size");
    AS_TRY(as_gguf_own_int(gguf, "ssm.time_step_rank", &heads, err));
    AS_TRY(as_gguf_own_int(gguf, "ssm.inner_size", &inner, err));
    if (heads < 1 || inner % heads || hidden <= 0) {
        return as_fail(err, AS_E_INPUT, "\"ssm.inner_size\" %lld is not of \"ssm.time_step_rank\" %lld heads",
                       (long long)inner, (long long)heads);
    }
    AS_TRY(as_gguf_set(config, heads_field, json_integer(heads), err));
    AS_TRY(as_gguf_set(config, width_field, json_integer(inner / heads), err));
    double expand = (double)inner / hidden;
    while ((int64_t)(expand * hidden) < inner) expand = nextafter(expand, INFINITY);
    return as_gguf_set(config, expand_field, json_real(expand), err);
}

as_code as_gguf_complete_mamba2(const as_gguf *gguf, json_t *config, as_error *err)
{
    return set_mamba2_heads(gguf, config, "num_heads", "head_dim", "expand", err);
}

/* The factors are in the weights. */
as_code as_gguf_complete_falcon_h1(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(set_mamba2_heads(gguf, config, "mamba_n_heads", "mamba_d_head", "mamba_expand", err));
    return as_gguf_set(config, "mamba_norm_before_gate", json_false(), err);
}

static as_code complete_bamba(json_t *config, as_error *err)
{
    const json_t *types = json_object_get(config, "layer_types");
    json_t *attending = json_array();
    AS_TRY(as_gguf_set(config, "attn_layer_indices", attending, err));
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));
        if (!type || strcmp(type, "attention") != 0) continue;
        AS_TRY(as_gguf_append(attending, json_integer((json_int_t)i), err));
    }
    return as_gguf_set_class(config, "BambaForCausalLM", err);
}

/* Bamba is written so too: it alone has rotations. */
as_code as_gguf_complete_granitehybrid(const as_gguf *gguf, json_t *config, as_error *err)
{
    bool rotates = false;
    AS_TRY(set_mamba2_heads(gguf, config, "mamba_n_heads", "mamba_d_head", "mamba_expand", err));
    AS_TRY(as_gguf_set_mixers(gguf, config, "layer_types", "attention", "mamba", err));
    AS_TRY(as_gguf_own_bool(gguf, "rope.scaling.finetuned", &rotates, err));
    AS_TRY(as_gguf_default(config, "num_local_experts", json_integer(0), err));
    if (as_gguf_field(config, "num_local_experts") == 0) {
        json_t *width = json_object_get(config, "intermediate_size");
        if (width) AS_TRY(as_gguf_default(config, "shared_intermediate_size", json_incref(width), err));
    }
    return rotates ? complete_bamba(config, err) : AS_OK;
}

/* A schedule of one layer in every so many, from which layers have it. */
static as_code set_schedule(json_t *config, const bool *flags, int64_t layers, const char *period_field,
                            const char *offset_field, as_error *err)
{
    for (int64_t period = 1; period <= layers + 1; period++) {
        for (int64_t offset = 0; offset < period; offset++) {
            bool fits = true;
            for (int64_t i = 0; fits && i < layers; i++) fits = flags[i] == (i % period == offset);
            if (!fits) continue;
            AS_TRY(as_gguf_set(config, period_field, json_integer(period), err));
            return as_gguf_set(config, offset_field, json_integer(offset), err);
        }
    }
    return as_fail(err, AS_E_UNSUPPORTED, "its layers do not repeat, as \"%s\" would have it", period_field);
}

as_code as_gguf_complete_jamba(const as_gguf *gguf, json_t *config, as_error *err)
{
    enum { MOST = 256 };
    bool attends[MOST], routes[MOST];
    const as_gguf_value *kv = as_gguf_own(gguf, "attention.head_count_kv");
    int64_t layers = (int64_t)as_gguf_field(config, "num_hidden_layers"), heads = 1, inner = 0, experts = 0;
    double hidden = as_gguf_field(config, "hidden_size");
    AS_TRY(as_gguf_own_int(gguf, "ssm.inner_size", &inner, err));
    AS_TRY(as_gguf_own_int(gguf, "expert_count", &experts, err));
    if (!kv || layers < 1 || layers > MOST || hidden <= 0) {
        return as_fail(err, AS_E_INPUT, "\"attention.head_count_kv\" or the number of layers is missing");
    }
    for (int64_t i = 0; i < layers; i++) {
        int64_t count = 0;
        AS_TRY(as_gguf_layer_number(kv, (uint64_t)i, "attention.head_count_kv", &count, err));
        if (count > heads) heads = count;
        attends[i] = count > 0;
        routes[i] = as_gguf_layer_has(gguf, i, "ffn_gate_inp.weight");
    }
    AS_TRY(as_gguf_set(config, "num_key_value_heads", json_integer(heads), err));
    AS_TRY(as_gguf_set(config, "mamba_expand", json_real((double)inner / hidden), err));
    AS_TRY(set_schedule(config, attends, layers, "attn_layer_period", "attn_layer_offset", err));
    if (experts < 2) return AS_OK;
    return set_schedule(config, routes, layers, "expert_layer_period", "expert_layer_offset", err);
}

/* One block a layer: scans have no keys and no width, attention no width, the rest no keys. */
as_code as_gguf_complete_nemotron_h(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t layers = (int64_t)as_gguf_field(config, "num_hidden_layers");
    int64_t width = as_gguf_rows(gguf, "ffn_up.weight"); /* converters say 0 of some */
    json_t *kinds = json_array();
    AS_TRY(as_gguf_set_mixers(gguf, config, "unused", "", "", err));
    json_object_del(config, "unused");
    AS_TRY(as_gguf_set(config, "layers_block_type", kinds, err));
    for (int64_t i = 0; i < layers && i < AS_GGUF_MOST_LAYERS; i++) {
        const char *kind = "attention";
        if (as_gguf_layer_has(gguf, i, "ssm_in.weight")) kind = "mamba";
        if (as_gguf_layer_has(gguf, i, "ffn_up.weight")) kind = "mlp";
        if (as_gguf_layer_has(gguf, i, "ffn_gate_inp.weight")) kind = "moe";
        AS_TRY(as_gguf_append(kinds, json_string(kind), err));
    }
    json_object_del(config, "intermediate_size");
    if (width > 0) AS_TRY(as_gguf_set(config, "intermediate_size", json_integer(width), err));
    AS_TRY(as_gguf_default(config, "topk_group", json_integer(1), err));
    /* Steps have no least size there; transformers keeps them above a thousandth, whatever the model. */
    return set_mamba2_heads(gguf, config, "mamba_num_heads", "mamba_head_dim", "expand", err);
}

/* ---- convolutions and the delta rule ---------------------------------------------------------------------
 */

/* Layers without keys are convolutions. The width of the feed-forward part stands as it is. */
as_code as_gguf_complete_lfm2(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(as_gguf_set(config, "block_auto_adjust_ff_dim", json_false(), err));
    AS_TRY(as_gguf_set_mixers(gguf, config, "layer_types", "full_attention", "conv", err));
    json_t *tied = json_object_get(config, "tie_word_embeddings");
    return as_gguf_set(config, "tie_embedding", json_incref(tied), err);
}

as_code as_gguf_complete_lfm2moe(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(as_gguf_set(config, "norm_topk_prob", json_true(), err));
    return as_gguf_complete_lfm2(gguf, config, err);
}

/* Which layers attend, by a list or every so many; widths of the delta rule's heads. */
static as_code set_delta(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t heads = 0, inner = 0;
    const as_gguf_value *recurrent = as_gguf_own(gguf, "attention.recurrent_layers");
    AS_TRY(as_gguf_own_int(gguf, "ssm.time_step_rank", &heads, err));
    AS_TRY(as_gguf_own_int(gguf, "ssm.inner_size", &inner, err));
    if (heads < 1 || inner % heads) {
        return as_fail(err, AS_E_INPUT, "\"ssm.inner_size\" %lld is not of \"ssm.time_step_rank\" %lld heads",
                       (long long)inner, (long long)heads);
    }
    AS_TRY(as_gguf_set(config, "linear_num_value_heads", json_integer(heads), err));
    AS_TRY(as_gguf_set(config, "linear_value_head_dim", json_integer(inner / heads), err));
    if (!recurrent || recurrent->type != AS_GGUF_ARRAY || recurrent->item != AS_GGUF_BOOL) return AS_OK;
    json_t *types = json_array();
    double layers = as_gguf_field(config, "num_hidden_layers");
    AS_TRY(as_gguf_set(config, "layer_types", types, err));
    for (uint64_t i = 0; i < recurrent->count && (double)i < layers; i++) {
        const char *type = recurrent->at[i] ? "linear_attention" : "full_attention";
        AS_TRY(as_gguf_append(types, json_string(type), err));
    }
    return AS_OK;
}

as_code as_gguf_complete_qwen3next(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(as_gguf_set(config, "norm_topk_prob", json_true(), err));
    return set_delta(gguf, config, err);
}

as_code as_gguf_complete_qwen35(const as_gguf *gguf, json_t *config, as_error *err)
{
    return set_delta(gguf, config, err);
}

/* Layers without keys have the delta rule, its heads as many as rates of the update. */
as_code as_gguf_complete_kimi_linear(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t heads = as_gguf_rows(gguf, "ssm_beta.weight");
    AS_TRY(as_gguf_set_mixers(gguf, config, "layer_types", "full_attention", "linear_attention", err));
    AS_TRY(as_gguf_set_latent_widths(gguf, config, err));
    if (heads > 0) AS_TRY(as_gguf_set(config, "linear_num_heads", json_integer(heads), err));
    if (!json_object_get(config, "n_group")) json_object_del(config, "topk_group");
    return as_gguf_set_sparsity(gguf, config, err);
}

/* One factor of the residual for all; every eighth layer attends unless a list says otherwise. */
as_code as_gguf_complete_minimax01(const as_gguf *gguf, json_t *config, as_error *err)
{
    static const char *const factors[] = {"layernorm_full_attention_alpha",
                                          "layernorm_linear_attention_alpha", "layernorm_mlp_alpha"};
    double alpha = 1, layers = as_gguf_field(config, "num_hidden_layers");
    int64_t every = 8;
    const as_gguf_value *recurrent = as_gguf_own(gguf, "attention.recurrent_layers");
    AS_TRY(as_gguf_own_real(gguf, "residual_scale", &alpha, err));
    AS_TRY(as_gguf_own_int(gguf, "full_attention_interval", &every, err));
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        AS_TRY(as_gguf_set(config, factors[i], json_real(alpha), err));
    }
    json_t *types = json_array();
    AS_TRY(as_gguf_set(config, "attn_type_list", types, err));
    for (int64_t i = 0; (double)i < layers && i < AS_GGUF_MOST_LAYERS; i++) {
        int64_t lightning = every < 1 || (i + 1) % every != 0;
        if (recurrent) {
            AS_TRY(
                as_gguf_layer_number(recurrent, (uint64_t)i, "attention.recurrent_layers", &lightning, err));
        }
        AS_TRY(as_gguf_append(types, json_integer(lightning == 0), err));
    }
    return AS_OK;
}

/* ---- RWKV ------------------------------------------------------------------------------------------------
 */

as_code as_gguf_complete_rwkv6(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t width = as_gguf_rows(gguf, "time_mix_receptance.weight");
    return width > 0 ? as_gguf_set(config, "attention_hidden_size", json_integer(width), err) : AS_OK;
}

/* Heads of the width that wkv.head_size says. */
as_code as_gguf_complete_rwkv6qwen2(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t width = 0, rows = as_gguf_rows(gguf, "time_mix_receptance.weight");
    AS_TRY(as_gguf_own_int(gguf, "wkv.head_size", &width, err));
    if (width < 1 || rows % width) {
        return as_fail(err, AS_E_INPUT, "\"wkv.head_size\" is %lld, which does not divide %lld",
                       (long long)width, (long long)rows);
    }
    return as_gguf_set(config, "num_attention_heads", json_integer(rows / width), err);
}

as_code as_gguf_complete_rwkv7(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t width = as_gguf_rows(gguf, "time_mix_value.weight");
    return width > 0 ? as_gguf_set(config, "value_dim", json_integer(width), err) : AS_OK;
}
