/* What no single key says of families whose layers are of several kinds, each with heads, a rotation or a
 * width of its own; see gguf_complete.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/arch/gguf_complete.h"
#include "engine/arch/gguf_fields.h"

/* ---- windows ---------------------------------------------------------------------------------------------
 */

static int64_t head_width(const json_t *config)
{
    return json_integer_value(json_object_get(config, "head_dim"));
}

/* What hides in the file is the width of the gates: one for each head, or one for each element. */
as_code as_gguf_complete_laguna(const as_gguf *gguf, json_t *config, as_error *err)
{
    json_t *heads = json_object_get(config, "num_attention_heads");
    int64_t first = 0;
    AS_TRY(as_gguf_own_int(gguf, "attention.head_count", &first, err));
    if (json_is_array(heads)) {
        AS_TRY(as_gguf_set(config, "num_attention_heads_per_layer", json_incref(heads), err));
        AS_TRY(as_gguf_set(config, "num_attention_heads", json_integer(first), err));
    }
    bool by_element = as_gguf_rows(gguf, "attn_gate.weight") > first;
    AS_TRY(as_gguf_set(config, "gating", json_string(by_element ? "per-element" : "per-head"), err));
    AS_TRY(as_gguf_set_windows(gguf, config, 4, true, err));
    AS_TRY(as_gguf_set_sparsity(gguf, config, err));
    return as_gguf_set_rotations(gguf, config, head_width(config), err);
}

as_code as_gguf_complete_mellum(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(as_gguf_set_windows(gguf, config, 4, false, err));
    return as_gguf_set_rotations(gguf, config, head_width(config), err);
}

/* Layers with a window have key/value heads of their own number. */
as_code as_gguf_complete_mimo2(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t full = 0, sliding = 0, width = 0;
    double scale = 1;
    AS_TRY(as_gguf_kind_numbers(gguf, config, "attention.head_count_kv", &full, &sliding, err));
    if (full > 0 || sliding > 0) {
        AS_TRY(as_gguf_set(config, "num_key_value_heads", json_integer(full ? full : sliding), err));
        AS_TRY(as_gguf_set(config, "swa_num_key_value_heads", json_integer(sliding ? sliding : full), err));
    }
    AS_TRY(as_gguf_own_int(gguf, "attention.value_length", &width, err));
    AS_TRY(as_gguf_own_real(gguf, "attention.value_scale", &scale, err));
    if (width > 0) AS_TRY(as_gguf_set(config, "v_head_dim", json_integer(width), err));
    AS_TRY(as_gguf_set(config, "attention_value_scale", json_real(scale), err));
    AS_TRY(as_gguf_set_sparsity(gguf, config, err));
    return as_gguf_set_rotations(gguf, config, head_width(config), err);
}

/* A list of limits, one for each layer; 0: none. */
static as_code set_limits(const as_gguf *gguf, json_t *config, const char *name, const char *field,
                          as_error *err)
{
    const as_gguf_value *limits = as_gguf_own(gguf, name);
    if (!limits || limits->type != AS_GGUF_ARRAY || limits->item != AS_GGUF_F32) return AS_OK;
    return as_gguf_set_list(config, field, limits, err);
}

/* Factors by which frequencies are divided stand there for a whole head, with ones behind those that count.
 */
static as_code cut_factors(json_t *config, int64_t rotated, as_error *err)
{
    static const char *const lists[] = {"short_factor", "long_factor"};
    json_t *scaling = json_object_get(config, "rope_scaling");
    for (size_t i = 0; scaling && i < sizeof lists / sizeof lists[0]; i++) {
        json_t *list = json_object_get(scaling, lists[i]);
        while ((int64_t)json_array_size(list) > rotated / 2) {
            if (json_array_remove(list, json_array_size(list) - 1) != 0) {
                return as_fail(err, AS_E_INTERNAL, "\"%s\" cannot be cut", lists[i]);
            }
        }
    }
    return AS_OK;
}

/* Half of each head is rotated in the layers that see all, the whole of it in those with a window: of which
 * no key speaks. */
as_code as_gguf_complete_step35(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t full = 0, sliding = 0, width = head_width(config);
    AS_TRY(as_gguf_kind_numbers(gguf, config, "attention.head_count", &full, &sliding, err));
    if (full == 0) full = sliding;
    if (full > 0) AS_TRY(as_gguf_set(config, "num_attention_heads", json_integer(full), err));
    if (sliding > 0) {
        AS_TRY(as_gguf_set(config, "num_sliding_attention_heads", json_integer(sliding), err));
    }
    AS_TRY(set_limits(gguf, config, "swiglu_clamp_exp", "swiglu_limits", err));
    AS_TRY(set_limits(gguf, config, "swiglu_clamp_shexp", "swiglu_limits_shared", err));
    AS_TRY(as_gguf_set_sparsity(gguf, config, err));
    AS_TRY(cut_factors(config, width / 2, err));
    AS_TRY(as_gguf_set_rotations(gguf, config, width, err));
    json_t *kinds = json_object_get(config, "rope_parameters");
    json_t *full_kind = json_object_get(kinds, "full_attention");
    return as_gguf_set(full_kind, "partial_rotary_factor", json_real(0.5), err);
}

/* ---- Gemma 3n and 4 --------------------------------------------------------------------------------------
 */

/* The share of a normal distribution that lies below, as a float32, as which models state it. */
static double share_below(double deviations)
{
    return (float)(0.5 * erfc(-deviations * M_SQRT1_2));
}

static as_code set_sparsity_pattern(const as_gguf *gguf, json_t *config, as_error *err)
{
    const as_gguf_value *scale = as_gguf_own(gguf, "activation_sparsity_scale");
    json_t *shares = json_array();
    double layers = as_gguf_field(config, "num_hidden_layers");
    AS_TRY(as_gguf_set(config, "activation_sparsity_pattern", shares, err));
    bool list = scale && scale->type == AS_GGUF_ARRAY && scale->item == AS_GGUF_F32;
    for (uint64_t i = 0; (double)i < layers && i < AS_GGUF_MOST_LAYERS; i++) {
        double deviations = list && i < scale->count ? as_gguf_number(scale, i) : -INFINITY;
        if (isnan(deviations)) return as_fail(err, AS_E_INPUT, "\"activation_sparsity_scale\" is no number");
        AS_TRY(as_gguf_append(shares, json_real(share_below(deviations)), err));
    }
    return AS_OK;
}

/* Rows of the embedding that gives each layer an input. */
static as_code set_per_layer_vocab(const as_gguf *gguf, json_t *config, as_error *err)
{
    const as_gguf_tensor *embed = as_gguf_tensor_named(gguf, "per_layer_token_embd.weight");
    if (!embed || embed->dims != 2) return AS_OK;
    return as_gguf_set(config, "vocab_size_per_layer_input", json_integer(embed->shape[1]), err);
}

as_code as_gguf_complete_gemma3n(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t rank = as_gguf_rows(gguf, "laurel_l.weight");
    if (rank > 0) AS_TRY(as_gguf_set(config, "laurel_rank", json_integer(rank), err));
    AS_TRY(set_sparsity_pattern(gguf, config, err));
    AS_TRY(set_per_layer_vocab(gguf, config, err));
    return as_gguf_default(config, "final_logit_softcapping", json_null(), err);
}

/* Layers that see all have heads of their own size and number, whose values may be their keys. */
static as_code set_gemma4_heads(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t full = json_integer_value(json_object_get(config, "num_key_value_heads"));
    int64_t sliding = 0, width = head_width(config);
    bool keys_are_values = false;
    AS_TRY(as_gguf_kind_numbers(gguf, config, "attention.head_count_kv", &full, &sliding, err));
    AS_TRY(as_gguf_own_int(gguf, "attention.key_length", &width, err));
    if (sliding == 0) sliding = full;
    if (sliding > 0) AS_TRY(as_gguf_set(config, "num_key_value_heads", json_integer(sliding), err));
    json_t *own = json_object();
    AS_TRY(as_gguf_set(config, "per_layer_config", own, err));
    json_t *types = json_object_get(config, "layer_types"), *type;
    size_t i;
    json_array_foreach(types, i, type)
    {
        char number[24];
        if (strcmp(json_string_value(type), "full_attention") != 0) continue;
        keys_are_values |= as_gguf_layer_has(gguf, (int64_t)i, "attn_k.weight") &&
                           !as_gguf_layer_has(gguf, (int64_t)i, "attn_v.weight");
        snprintf(number, sizeof number, "%zu", i);
        json_t *entry =
            json_pack("{s:I, s:I}", "head_dim", (json_int_t)width, "num_key_value_heads", (json_int_t)full);
        AS_TRY(as_gguf_set(own, number, entry, err));
    }
    return as_gguf_set(config, "attention_k_eq_v", json_boolean(keys_are_values), err);
}

/* The first of a head's frequencies turn; the others are divided by a number beyond all bounds. */
static as_code set_gemma4_rotation(const as_gguf *gguf, json_t *config, int64_t full_width, as_error *err)
{
    const json_t *factors = json_object_get(json_object_get(config, "rope_scaling"), "long_factor"), *factor;
    int64_t turning = 0;
    size_t i;
    json_array_foreach(factors, i, factor) turning += json_number_value(factor) < 1e20;
    AS_TRY(as_gguf_set_rotations(gguf, config, head_width(config), err));
    if (!factors || full_width < 2) return AS_OK;
    json_t *kinds = json_object_get(config, "rope_parameters");
    double theta = as_gguf_field(json_object_get(kinds, "full_attention"), "rope_theta");
    json_t *made = json_pack("{s:s, s:f, s:f}", "rope_type", "proportional", "rope_theta", theta,
                             "partial_rotary_factor", as_gguf_share(2 * turning, (double)full_width));
    return as_gguf_set(kinds, "full_attention", made, err);
}

/* Widths of the feed-forward part: of layers that share keys and values they may be twice the others'. */
static as_code set_gemma4_widths(json_t *config, as_error *err)
{
    json_t *widths = json_object_get(config, "intermediate_size");
    size_t count = json_array_size(widths);
    double shared = as_gguf_field(config, "num_kv_shared_layers");
    json_int_t first = json_integer_value(json_array_get(widths, 0));
    AS_TRY(as_gguf_set(config, "use_double_wide_mlp", json_boolean(count > 0), err));
    for (size_t i = 0; i < count; i++) {
        json_int_t width = json_integer_value(json_array_get(widths, i));
        if (width == first * ((double)i + shared >= (double)count ? 2 : 1)) continue;
        return as_fail(err, AS_E_UNSUPPORTED,
                       "\"feed_forward_length\" of layer %zu is %lld, the first's %lld", i, (long long)width,
                       (long long)first);
    }
    return count ? as_gguf_set(config, "intermediate_size", json_integer(first), err) : AS_OK;
}

as_code as_gguf_complete_gemma4(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t width = head_width(config);
    AS_TRY(as_gguf_own_int(gguf, "attention.key_length", &width, err));
    AS_TRY(set_gemma4_heads(gguf, config, err));
    AS_TRY(set_gemma4_rotation(gguf, config, width, err));
    AS_TRY(set_gemma4_widths(config, err));
    AS_TRY(set_per_layer_vocab(gguf, config, err));
    AS_TRY(as_gguf_default(config, "hidden_size_per_layer_input", json_integer(0), err));
    bool routed = as_gguf_layers_have(gguf, "ffn_gate_inp.weight");
    return as_gguf_set(config, "enable_moe_block", json_boolean(routed), err);
}
