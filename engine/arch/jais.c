/* Jais (Inception, MBZUAI and Cerebras 2023): modeling_jais.py of the repositories. GPT-2's names and
 * transposed matrices, linear biases for positions, a gated feed-forward whose gate is c_fc2, scores divided
 * by the head's width, and factors of muP on the embedding and the logits, each under an older and a newer
 * name. */
#include "engine/arch/arch.h"

static const as_size_keys keys = {"n_embd", "n_layer", "n_head", "n_positions"};

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "wte",         [AS_SLOT_FINAL_NORM] = "ln_f",       [AS_SLOT_NORM_1] = "h.%d.ln_1",
    [AS_SLOT_NORM_2] = "h.%d.ln_2",  [AS_SLOT_QKV] = "~h.%d.attn.c_attn", [AS_SLOT_O] = "~h.%d.attn.c_proj",
    [AS_SLOT_UP] = "~h.%d.mlp.c_fc", [AS_SLOT_GATE] = "~h.%d.mlp.c_fc2",  [AS_SLOT_DOWN] = "~h.%d.mlp.c_proj",
};

static const char *const prefixes[] = {"transformer.", "", NULL};

static const char *const ignored[] = {"*attn.bias", "*attn.masked_bias", "*relative_pe.slopes", NULL};

static double factor(as_config *c, const char *newer, const char *older)
{
    return as_config_number_in(c, as_config_key(c, newer, older), 1, -1e6, 1e6);
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &keys, 1024);
    as_spec_expect(c, "activation_function", "swiglu", "swiglu");
    as_spec_expect(c, "position_embedding_type", "alibi", "alibi");
    if (as_config_has(c, "alibi_scaling")) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"alibi_scaling\" is set, which is not supported");
    }
    spec->intermediate = as_config_size_or(c, "n_inner", 4 * spec->hidden, AS_MOST_WIDTH);
    as_attention_spec attention = as_spec_attention(spec, -1, true, true);
    attention.layout = AS_QKV_ROWS;
    attention.alibi_max = 8;
    if (!as_config_bool(c, "scale_attn_weights", true)) {
        attention.scale = 1;
    } else if (as_config_bool(c, as_config_key(c, "mup_scale_qk_dot_by_d", "scale_qk_dot_by_d"), false)) {
        attention.scale = 1 / (float)spec->head_dim;
    }
    bool by_layer = as_config_bool(c, "scale_attn_by_inverse_layer_idx", false);
    as_mlp_spec mlp = as_spec_sized_mlp(spec, AS_ACT_SILU, true);
    mlp.gated = true;
    mlp.gate = AS_SLOT_GATE;
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_epsilon", 1e-5));
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_attention_spec here = attention;
        if (by_layer) here.scale /= (float)(i + 1);
        as_spec_pre_norm_layer(c, spec, i, &here, &mlp, norm);
    }
    spec->embed_scale = (float)factor(c, "mup_embeddings_scale", "embeddings_scale");
    spec->logit_scale = as_config_has(c, "mup_output_alpha") || as_config_has(c, "mup_width_scale")
                            ? (float)(factor(c, "mup_output_alpha", "mup_output_alpha") *
                                      factor(c, "mup_width_scale", "mup_width_scale"))
                            : (float)factor(c, "width_scale", "width_scale");
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_jais = {.architectures = {"JAISLMHeadModel"}, .describe = describe};
