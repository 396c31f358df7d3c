/* What no single key says; see gguf_complete.h. Of a number that no file holds the published models' own
 * value is taken, as llama.cpp does. */
#include "engine/arch/gguf_complete.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arch/gguf_fields.h"

/* ---- attention and feed-forward --------------------------------------------------------------------------
 */

/* xIELU's four numbers stand in lists for all layers; beta and eps are the same everywhere. */
as_code as_gguf_complete_apertus(const as_gguf *gguf, json_t *config, as_error *err)
{
    static const char *const names[][2] = {{"xielu.alpha_p", "xielu_alpha_p"},
                                           {"xielu.alpha_n", "xielu_alpha_n"},
                                           {"xielu.beta", "xielu_beta"},
                                           {"xielu.eps", "xielu_eps"}};
    for (size_t i = 0; i < 4; i++) {
        const as_gguf_value *list = NULL;
        AS_TRY(as_gguf_get_numbers(gguf, names[i][0], &list, err));
        if (!list) return as_fail(err, AS_E_INPUT, "\"%s\" is missing", names[i][0]);
        AS_TRY(as_gguf_set_list(config, names[i][1], list, err));
    }
    return AS_OK;
}

/* The 13B models have ALiBi, and the second generation, which its vocabulary tells, a head whose rows are
 * scaled to length one: of which the files say nothing. */
as_code as_gguf_complete_baichuan(const as_gguf *gguf, json_t *config, as_error *err)
{
    enum { LAYERS_OF_13B = 40, VOCABULARY_OF_2 = 125696 };
    (void)gguf;
    if (as_gguf_field(config, "vocab_size") == VOCABULARY_OF_2) {
        AS_TRY(as_gguf_set(config, "z_loss_weight", json_integer(0), err));
    }
    if (as_gguf_field(config, "num_hidden_layers") != LAYERS_OF_13B) return AS_OK;
    json_t *context = json_incref(json_object_get(config, "max_position_embeddings"));
    json_object_del(config, "max_position_embeddings");
    return context ? as_gguf_set(config, "model_max_length", context, err) : AS_OK;
}

/* The width of the feed-forward part: some converters write four times the model's, whatever it is. */
static as_code set_width(const as_gguf *gguf, json_t *config, const char *field, as_error *err)
{
    int64_t rows = as_gguf_rows(gguf, "ffn_up.weight");
    return rows > 0 ? as_gguf_set(config, field, json_integer(rows), err) : AS_OK;
}

/* One key and value for all heads, or for groups of them; what Falcon RW has else (ALiBi) no converter
 * writes. */
as_code as_gguf_complete_falcon(const as_gguf *gguf, json_t *config, as_error *err)
{
    json_int_t kv_heads = json_integer_value(json_object_get(config, "num_key_value_heads"));
    int norms = as_gguf_layers_have(gguf, "attn_norm_2.weight") ? 2 : 1;
    AS_TRY(as_gguf_set(config, "new_decoder_architecture", json_boolean(kv_heads > 1), err));
    AS_TRY(as_gguf_set(config, "num_ln_in_parallel_attn", json_integer(norms), err));
    AS_TRY(as_gguf_set(config, "multi_query", json_boolean(kv_heads <= 1), err));
    AS_TRY(set_width(gguf, config, "ffn_hidden_size", err));
    return as_gguf_set(config, "num_kv_heads", json_integer(kv_heads > 1 ? kv_heads : 1), err);
}

/* The scale of queries is by the width of a head, in the largest model as if the heads made up the model's
 * width. */
static as_code set_query_scale(const as_gguf *gguf, json_t *config, int layers_of_27b, as_error *err)
{
    const as_gguf_value *scale = as_gguf_own(gguf, "attention.scale");
    double heads = as_gguf_field(config, "num_attention_heads"), width = as_gguf_field(config, "head_dim");
    if (scale && scale->type == AS_GGUF_F32 && as_gguf_number(scale, 0) > 0) {
        width = 1 / (as_gguf_number(scale, 0) * as_gguf_number(scale, 0));
    } else if (as_gguf_field(config, "num_hidden_layers") == layers_of_27b && heads > 0) {
        width = as_gguf_field(config, "hidden_size") / heads;
    }
    return width > 0 ? as_gguf_set(config, "query_pre_attn_scalar", json_real(width), err) : AS_OK;
}

as_code as_gguf_complete_gemma2(const as_gguf *gguf, json_t *config, as_error *err)
{
    return set_query_scale(gguf, config, 46, err);
}

/* What the files do not say: every sixth layer sees all. */
as_code as_gguf_complete_gemma3(const as_gguf *gguf, json_t *config, as_error *err)
{
    return set_query_scale(gguf, config, 62, err);
}

/* One key and value for all heads, or the three of each head together. */
as_code as_gguf_complete_gpt2(const as_gguf *gguf, json_t *config, as_error *err)
{
    bool own_keys = (double)as_gguf_rows(gguf, "attn_qkv.weight") >= 3 * as_gguf_field(config, "n_embd");
    AS_TRY(as_gguf_set(config, "multi_query", json_boolean(!own_keys), err));
    return set_width(gguf, config, "n_inner", err);
}

/* The base of the rotation is the file's, raised by rope.scaling.alpha as HunYuan's "dynamic" scaling has it.
 */
as_code as_gguf_complete_hunyuan_vl(const as_gguf *gguf, json_t *config, as_error *err)
{
    double alpha = 0, theta = 10000, width = as_gguf_field(config, "head_dim");
    AS_TRY(as_gguf_own_real(gguf, "rope.scaling.alpha", &alpha, err));
    AS_TRY(as_gguf_own_real(gguf, "rope.freq_base", &theta, err));
    if (alpha <= 0) return AS_OK;
    if (width <= 2) return as_fail(err, AS_E_INPUT, "the heads are %g wide, too narrow to be turned", width);
    return as_gguf_set(config, "rope_theta", json_real(theta * pow(alpha, width / (width - 2))), err);
}

/* The factors of muP are within the matrices, so that the head is never the embedding; scores are divided by
 * the head's width in all such files. */
as_code as_gguf_complete_jais(const as_gguf *gguf, json_t *config, as_error *err)
{
    double most = 8;
    AS_TRY(as_gguf_own_real(gguf, "attention.max_alibi_bias", &most, err));
    if (most != 8) {
        return as_fail(err, AS_E_UNSUPPORTED, "\"jais.attention.max_alibi_bias\" is %g, expected 8", most);
    }
    AS_TRY(as_gguf_set(config, "scale_qk_dot_by_d", json_true(), err));
    return as_gguf_set(config, "tie_word_embeddings", json_false(), err);
}

as_code as_gguf_complete_gptneox(const as_gguf *gguf, json_t *config, as_error *err)
{
    (void)gguf;
    json_t *share = json_object_get(config, "partial_rotary_factor");
    return share ? as_gguf_set(config, "rotary_pct", json_incref(share), err) : AS_OK;
}

as_code as_gguf_complete_phi2(const as_gguf *gguf, json_t *config, as_error *err)
{
    return set_width(gguf, config, "intermediate_size", err);
}

/* Converters say of all that attention and feed-forward part stand side by side. */
as_code as_gguf_complete_stablelm(const as_gguf *gguf, json_t *config, as_error *err)
{
    bool parallel = !as_gguf_layers_have(gguf, "ffn_norm.weight");
    return as_gguf_set(config, "use_parallel_residual", json_boolean(parallel), err);
}

/* Olmo 3 is written as Olmo 2 with a window. */
as_code as_gguf_complete_olmo2(const as_gguf *gguf, json_t *config, as_error *err)
{
    (void)gguf;
    if (!json_object_get(config, "sliding_window")) return AS_OK;
    return as_gguf_set_class(config, "Olmo3ForCausalLM", err);
}

/* Heads and the feed-forward part's width by layer. */
as_code as_gguf_complete_openelm(const as_gguf *gguf, json_t *config, as_error *err)
{
    const as_gguf_value *widths = as_gguf_own(gguf, "feed_forward_length");
    double hidden = as_gguf_field(config, "hidden_size");
    json_t *factors = json_array();
    AS_TRY(as_gguf_set(config, "ffn_multipliers", factors, err));
    AS_TRY(as_gguf_set(config, "ffn_dim_divisor", json_integer(1), err));
    double layers = as_gguf_field(config, "num_hidden_layers");
    for (uint64_t i = 0; widths && (double)i < layers && hidden > 0; i++) {
        int64_t width = 0;
        AS_TRY(as_gguf_layer_number(widths, i, "feed_forward_length", &width, err));
        AS_TRY(as_gguf_append(factors, json_real((double)width / hidden), err));
    }
    json_t *tied = json_object_get(config, "tie_word_embeddings");
    return as_gguf_set(config, "share_input_output_layers", json_incref(tied), err);
}

/* A layer of attention, one matrix in its place, or nothing; a feed-forward part or nothing. */
static json_t *deci_block(int64_t heads, int64_t kv_heads, int64_t width)
{
    bool none = heads == 0, linear = !none && kv_heads == 0;
    json_t *mixer = none ? json_pack("{s:b}", "no_op", 1) : NULL;
    if (linear) mixer = json_pack("{s:b}", "replace_with_linear", 1);
    if (!mixer) mixer = json_pack("{s:I}", "num_key_value_heads", (json_int_t)kv_heads);
    json_t *ffn =
        width ? json_pack("{s:I}", "intermediate_size", (json_int_t)width) : json_pack("{s:b}", "no_op", 1);
    return json_pack("{s:o, s:o}", "attention", mixer, "ffn", ffn);
}

as_code as_gguf_complete_deci(const as_gguf *gguf, json_t *config, as_error *err)
{
    static const char *const keys[] = {"attention.head_count", "attention.head_count_kv",
                                       "feed_forward_length"};
    const as_gguf_value *values[3];
    json_int_t layers = (json_int_t)as_gguf_field(config, "num_hidden_layers");
    json_t *blocks = json_array();
    int64_t most = 0, most_kv = 0;
    AS_TRY(as_gguf_set(config, "block_configs", blocks, err));
    for (size_t k = 0; k < 3; k++) {
        values[k] = as_gguf_own(gguf, keys[k]);
        if (!values[k]) return as_fail(err, AS_E_INPUT, "\"deci.%s\" is missing", keys[k]);
    }
    for (json_int_t i = 0; i < layers && i < AS_GGUF_MOST_LAYERS; i++) {
        int64_t of[3] = {0};
        for (size_t k = 0; k < 3; k++) {
            AS_TRY(as_gguf_layer_number(values[k], (uint64_t)i, keys[k], &of[k], err));
        }
        if (of[0] > most) most = of[0];
        if (of[1] > most_kv) most_kv = of[1];
        AS_TRY(as_gguf_append(blocks, deci_block(of[0], of[1], of[2]), err));
    }
    AS_TRY(as_gguf_set(config, "num_key_value_heads", json_integer(most_kv), err));
    return as_gguf_set(config, "num_attention_heads", json_integer(most), err);
}

as_code as_gguf_complete_mpt(const as_gguf *gguf, json_t *config, as_error *err)
{
    double clip = 0, most = 0;
    AS_TRY(as_gguf_own_real(gguf, "attention.clamp_kqv", &clip, err));
    AS_TRY(as_gguf_own_real(gguf, "attention.max_alibi_bias", &most, err));
    json_t *attention =
        json_pack("{s:b, s:b}", "alibi", most > 0, "qk_ln", as_gguf_layers_have(gguf, "attn_q_norm.weight"));
    AS_TRY(as_gguf_set(config, "attn_config", attention, err));
    if (most > 0) AS_TRY(as_gguf_set(attention, "alibi_bias_max", json_real(most), err));
    if (clip > 0) AS_TRY(as_gguf_set(attention, "clip_qkv", json_real(clip), err));
    double width = as_gguf_field(config, "d_model"), rows = (double)as_gguf_rows(gguf, "ffn_up.weight");
    if (width > 0 && rows > 0) {
        AS_TRY(as_gguf_set(config, "expansion_ratio", json_real(rows / width), err));
    }
    bool learned = as_gguf_tensor_named(gguf, "position_embd.weight");
    return as_gguf_set(config, "learned_pos_emb", json_boolean(learned), err);
}

/* Qwen's intermediate_size counts both of the matrices that a feed-forward part multiplies. */
as_code as_gguf_complete_qwen1(const as_gguf *gguf, json_t *config, as_error *err)
{
    json_int_t heads = json_integer_value(json_object_get(config, "num_attention_heads"));
    int64_t width = heads > 0 ? as_gguf_rows(gguf, "attn_qkv.weight") / 3 / heads : 0;
    if (width > 0) AS_TRY(as_gguf_set(config, "kv_channels", json_integer(width), err));
    double eps = as_gguf_field(config, "layer_norm_eps");
    AS_TRY(as_gguf_set(config, "layer_norm_epsilon", json_real(eps), err));
    return as_gguf_set(config, "rotary_emb_base", json_real(as_gguf_field(config, "rope_theta")), err);
}

/* Only the middle of these three numbers is in the file as it was; the others come back from what was
 * computed of them. */
as_code as_gguf_complete_minicpm(const as_gguf *gguf, json_t *config, as_error *err)
{
    double residual = 0, logit = 0;
    double layers = as_gguf_field(config, "num_hidden_layers"), hidden = as_gguf_field(config, "hidden_size");
    AS_TRY(as_gguf_own_real(gguf, "residual_scale", &residual, err));
    AS_TRY(as_gguf_own_real(gguf, "logit_scale", &logit, err));
    if (residual > 0 && layers > 0) {
        AS_TRY(as_gguf_set(config, "scale_depth", json_real(residual * sqrt(layers)), err));
    }
    return logit > 0 ? as_gguf_set(config, "dim_model_base", json_real(hidden / logit), err) : AS_OK;
}

/* Three values about their mean, which the weights already have; the gates' function is SiLU, as in the first
 * models of this kind. */
as_code as_gguf_complete_bitnet(const as_gguf *gguf, json_t *config, as_error *err)
{
    (void)gguf;
    return as_gguf_set(config, "hidden_act", json_string("silu"), err);
}

/* Names of the vocabulary's pieces of images, which are never continued with. */
as_code as_gguf_complete_chameleon(const as_gguf *gguf, json_t *config, as_error *err)
{
    static const char mark[] = "IMGIMG";
    json_t *map = json_object();
    AS_TRY(as_gguf_set(config, "vocabulary_map", map, err));
    const as_gguf_value *tokens = NULL;
    as_gguf_cursor cursor;
    const char *text;
    size_t size;
    AS_TRY(as_gguf_get_strings(gguf, "tokenizer.ggml.tokens", &tokens, err));
    if (!tokens) return AS_OK;
    as_gguf_first(&cursor, tokens);
    for (json_int_t id = 0; as_gguf_next(&cursor, &text, &size); id++) {
        char name[64];
        if (size >= sizeof name || size < sizeof mark || memcmp(text, mark, sizeof mark - 1) != 0) continue;
        snprintf(name, sizeof name, "%.*s", (int)size, text);
        AS_TRY(as_gguf_set(map, name, json_integer(id), err));
    }
    return AS_OK;
}

/* The factor of the queries stands as the weights of their norm; layers without a window do not rotate. */
as_code as_gguf_complete_muse_glimmer(const as_gguf *gguf, json_t *config, as_error *err)
{
    size_t i;
    json_t *bases = json_array(), *type;
    AS_TRY(as_gguf_set(config, "layer_rope_theta", bases, err));
    AS_TRY(as_gguf_set(config, "qk_scale_factor", json_integer(1), err));
    AS_TRY(as_gguf_set_windows(gguf, config, 4, false, err));
    json_array_foreach(json_object_get(config, "layer_types"), i, type)
    {
        bool slides = strcmp(json_string_value(type), "sliding_attention") == 0;
        AS_TRY(as_gguf_append(bases, json_integer(slides), err)); /* whether it is 0 is all that counts */
    }
    return AS_OK;
}

/* YaRN's growth of the logits: mscale_all_dim, which in published models is mscale too. */
static as_code put_mscale(json_t *scaling, double mscale, as_error *err)
{
    AS_TRY(as_gguf_set(scaling, "mscale", json_real(mscale), err));
    return as_gguf_set(scaling, "mscale_all_dim", json_real(mscale), err);
}

/* Mistral's later models, the newest with queries that grow with the position. */
as_code as_gguf_complete_mistral3(const as_gguf *gguf, json_t *config, as_error *err)
{
    double growth = 0, mscale = 0;
    json_t *scaling = json_object_get(config, "rope_scaling");
    AS_TRY(as_gguf_own_real(gguf, "attention.temperature_scale", &growth, err));
    AS_TRY(as_gguf_own_real(gguf, "rope.scaling.yarn_log_multiplier", &mscale, err));
    if (growth == 0 || !scaling) return AS_OK;
    AS_TRY(as_gguf_set(scaling, "llama_4_scaling_beta", json_real(growth), err));
    if (mscale > 0) AS_TRY(put_mscale(scaling, mscale, err));
    return as_gguf_set_class(config, "Ministral3ForCausalLM", err);
}

/* ---- experts ---------------------------------------------------------------------------------------------
 */

/* Whether the experts' weights are made to sum to one is said by the architecture. */
as_code as_gguf_complete_qwen3moe(const as_gguf *gguf, json_t *config, as_error *err)
{
    (void)gguf;
    return as_gguf_set(config, "norm_topk_prob", json_true(), err);
}

/* The embedding grows with the model's width, as published. */
as_code as_gguf_complete_afmoe(const as_gguf *gguf, json_t *config, as_error *err)
{
    (void)gguf;
    return as_gguf_set(config, "mup_enabled", json_true(), err);
}

/* How shared experts are put together is not in the file: as published. */
as_code as_gguf_complete_cohere2moe(const as_gguf *gguf, json_t *config, as_error *err)
{
    (void)gguf;
    json_t *width = json_object_get(config, "moe_intermediate_size");
    json_t *dense = json_incref(json_object_get(config, "intermediate_size"));
    if (dense) AS_TRY(as_gguf_set(config, "prefix_dense_intermediate_size", dense, err));
    if (width) AS_TRY(as_gguf_set(config, "intermediate_size", json_incref(width), err));
    return as_gguf_default(config, "norm_topk_prob", json_false(), err);
}

as_code as_gguf_complete_dbrx(const as_gguf *gguf, json_t *config, as_error *err)
{
    double clip = 0;
    AS_TRY(as_gguf_own_real(gguf, "attention.clamp_kqv", &clip, err));
    json_t *attention = json_object(), *ffn = json_object();
    AS_TRY(as_gguf_set(config, "attn_config", attention, err));
    AS_TRY(as_gguf_set(config, "ffn_config", ffn, err));
    if (clip > 0) AS_TRY(as_gguf_set(attention, "clip_qkv", json_real(clip), err));
    AS_TRY(as_gguf_copy(config, "num_key_value_heads", attention, "kv_n_heads", err));
    AS_TRY(as_gguf_copy(config, "intermediate_size", ffn, "ffn_hidden_size", err));
    AS_TRY(as_gguf_copy(config, "num_local_experts", ffn, "moe_num_experts", err));
    return as_gguf_copy(config, "num_experts_per_tok", ffn, "moe_top_k", err);
}

as_code as_gguf_complete_deepseek(const as_gguf *gguf, json_t *config, as_error *err)
{
    (void)gguf;
    return as_gguf_default(config, "norm_topk_prob", json_false(), err);
}

/* The rotation's window of frequencies is not rounded, of which no key speaks. */
as_code as_gguf_complete_gpt_oss(const as_gguf *gguf, json_t *config, as_error *err)
{
    (void)gguf;
    json_t *scaling = json_object_get(config, "rope_scaling");
    if (!scaling) return as_gguf_set(config, "rope_parameters", json_object(), err);
    return as_gguf_set(scaling, "truncate", json_false(), err);
}

as_code as_gguf_complete_granitemoe(const as_gguf *gguf, json_t *config, as_error *err)
{
    if (!as_gguf_layers_have(gguf, "ffn_gate_shexp.weight")) return AS_OK;
    return as_gguf_set_class(config, "GraniteMoeSharedForCausalLM", err);
}

/* How many shared experts there are is said by their width together. */
as_code as_gguf_complete_hy_v3(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t shared = 0, width = 0;
    AS_TRY(as_gguf_own_int(gguf, "expert_shared_feed_forward_length", &shared, err));
    AS_TRY(as_gguf_own_int(gguf, "expert_feed_forward_length", &width, err));
    if (width > 0) AS_TRY(as_gguf_set(config, "num_shared_experts", json_integer(shared / width), err));
    return as_gguf_set_sparsity(gguf, config, err);
}

/* The factors on cos and sin and the width of the router's choice are not in the file: as published. */
as_code as_gguf_complete_phimoe(const as_gguf *gguf, json_t *config, as_error *err)
{
    const double mscale = 1.243163121016122;
    json_t *scaling = json_object_get(config, "rope_scaling");
    bool bias = as_gguf_tensor_named(gguf, "output.bias") != NULL;
    AS_TRY(as_gguf_set(config, "lm_head_bias", json_boolean(bias), err));
    if (!scaling) return AS_OK;
    AS_TRY(as_gguf_set(scaling, "short_mscale", json_real(mscale), err));
    return as_gguf_set(scaling, "long_mscale", json_real(mscale), err);
}

/* Layers without positions are those whose base is 0. */
as_code as_gguf_complete_granite_swa(const as_gguf *gguf, json_t *config, as_error *err)
{
    const as_gguf_value *rotates = as_gguf_own(gguf, "attention.rope_pattern");
    if (!rotates || rotates->type != AS_GGUF_ARRAY || rotates->item != AS_GGUF_BOOL) return AS_OK;
    double theta = as_gguf_field(config, "rope_theta");
    json_t *bases = json_array();
    AS_TRY(as_gguf_set(config, "layer_rope_theta", bases, err));
    for (uint64_t i = 0; i < rotates->count && i < AS_GGUF_MOST_LAYERS; i++) {
        AS_TRY(as_gguf_append(bases, json_real(rotates->at[i] ? theta : 0), err));
    }
    return AS_OK;
}

/* Norms of queries and keys are the smaller model's. */
as_code as_gguf_complete_llama4(const as_gguf *gguf, json_t *config, as_error *err)
{
    enum { EXPERTS_OF_THE_LARGER = 128 };
    (void)gguf;
    bool normed = as_gguf_field(config, "num_local_experts") != EXPERTS_OF_THE_LARGER;
    AS_TRY(as_gguf_set(config, "use_qk_norm", json_boolean(normed), err));
    return as_gguf_default(config, "attention_chunk_size", json_integer(8192), err);
}

/* ---- latent attention ------------------------------------------------------------------------------------
 */

/* Widths of heads: newer files hold the latent's as key_length and the heads' as key_length_mla. */
as_code as_gguf_set_latent_widths(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t key = 0, value = 0, rope = (int64_t)as_gguf_field(config, "qk_rope_head_dim");
    AS_TRY(as_gguf_own_int(gguf, "attention.key_length", &key, err));
    AS_TRY(as_gguf_own_int(gguf, "attention.value_length", &value, err));
    AS_TRY(as_gguf_own_int(gguf, "attention.key_length_mla", &key, err));
    AS_TRY(as_gguf_own_int(gguf, "attention.value_length_mla", &value, err));
    json_object_del(config, "head_dim");
    json_object_del(config, "num_key_value_heads");
    if (key <= rope) {
        return as_fail(err, AS_E_INPUT, "keys of %lld, of which %lld are rotated", (long long)key,
                       (long long)rope);
    }
    AS_TRY(as_gguf_set(config, "qk_nope_head_dim", json_integer(key - rope), err));
    if (value > 0) AS_TRY(as_gguf_set(config, "v_head_dim", json_integer(value), err));
    return as_gguf_default(config, "q_lora_rank", json_null(), err);
}

/* The same where a tenth of it is written. */
static as_code set_mscale(const as_gguf *gguf, json_t *config, as_error *err)
{
    char digits[32];
    double tenth = 0;
    json_t *scaling = json_object_get(config, "rope_scaling");
    AS_TRY(as_gguf_own_real(gguf, "rope.scaling.yarn_log_multiplier", &tenth, err));
    if (!scaling || tenth == 0) return AS_OK;
    snprintf(digits, sizeof digits, "%.7g", tenth * 10); /* float32 has no more */
    return put_mscale(scaling, strtod(digits, NULL), err);
}

static as_code set_latent_experts(json_t *config, as_error *err)
{
    AS_TRY(as_gguf_default(config, "norm_topk_prob", json_false(), err));
    AS_TRY(as_gguf_default(config, "routed_scaling_factor", json_real(1), err));
    AS_TRY(as_gguf_default(config, "n_group", json_integer(1), err));
    AS_TRY(as_gguf_default(config, "topk_group", json_integer(1), err));
    AS_TRY(as_gguf_default(config, "n_shared_experts", json_integer(0), err));
    return as_gguf_default(config, "first_k_dense_replace", json_integer(0), err);
}

/* V2 chooses experts by a softmax, V3 by a sigmoid, of which files made before there was a key for it say
 * nothing; only V3 had so many. */
as_code as_gguf_complete_deepseek2(const as_gguf *gguf, json_t *config, as_error *err)
{
    enum { BY_SIGMOID = 2, EXPERTS_OF_V3 = 256 };
    int64_t gating = 0;
    AS_TRY(as_gguf_set_latent_widths(gguf, config, err));
    AS_TRY(set_mscale(gguf, config, err));
    AS_TRY(as_gguf_own_int(gguf, "expert_gating_func", &gating, err));
    if (!json_object_get(config, "n_routed_experts")) return AS_OK;
    AS_TRY(set_latent_experts(config, err));
    bool sigmoid = gating == BY_SIGMOID;
    if (gating == 0) {
        sigmoid = as_gguf_field(config, "n_routed_experts") == EXPERTS_OF_V3 ||
                  as_gguf_layers_have(gguf, "exp_probs_b.bias");
    }
    if (sigmoid) return as_gguf_set_class(config, "DeepseekV3ForCausalLM", err);
    bool grouped = as_gguf_field(config, "n_group") > 1;
    return as_gguf_set(config, "topk_method", json_string(grouped ? "group_limited_greedy" : "greedy"), err);
}

as_code as_gguf_complete_deepseek32(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(as_gguf_set_latent_widths(gguf, config, err));
    AS_TRY(set_mscale(gguf, config, err));
    return set_latent_experts(config, err);
}

/* As DeepSeek V2, with queries that grow with the position: by how much, no converter writes; as published.
 */
as_code as_gguf_complete_mistral4(const as_gguf *gguf, json_t *config, as_error *err)
{
    double growth = 0.1;
    json_t *scaling = json_object_get(config, "rope_scaling");
    AS_TRY(as_gguf_own_real(gguf, "attention.temperature_scale", &growth, err));
    if (scaling) AS_TRY(as_gguf_set(scaling, "llama_4_scaling_beta", json_real(growth), err));
    return as_gguf_complete_deepseek32(gguf, config, err);
}

as_code as_gguf_complete_glm_dsa(const as_gguf *gguf, json_t *config, as_error *err)
{
    const as_gguf_value *own = as_gguf_own(gguf, "attention.indexer.types");
    AS_TRY(as_gguf_complete_deepseek32(gguf, config, err));
    if (!own || own->type != AS_GGUF_ARRAY || own->item != AS_GGUF_BOOL) return AS_OK;
    json_t *types = json_array();
    double layers = as_gguf_field(config, "num_hidden_layers");
    AS_TRY(as_gguf_set(config, "indexer_types", types, err));
    for (uint64_t i = 0; i < own->count && (double)i < layers; i++) {
        AS_TRY(as_gguf_append(types, json_string(own->at[i] ? "full" : "shared"), err));
    }
    return AS_OK;
}

/* The width of values is as if heads made up the model's width. */
as_code as_gguf_complete_minicpm3(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(as_gguf_set_latent_widths(gguf, config, err));
    if (as_gguf_own(gguf, "attention.value_length")) return AS_OK;
    json_object_del(config, "v_head_dim");
    return AS_OK;
}
