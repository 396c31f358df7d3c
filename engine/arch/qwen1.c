/* Qwen, the first: Bai et al. 2023; modeling_qwen.py of the repositories. One projection with a bias for
 * query, key and value; beyond the length of training, the base grows in steps (dynamic NTK) and queries grow
 * with the logarithm of their position (logn). w1 is the up projection, w2 the gate, each half of
 * intermediate_size wide. */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "wte",        [AS_SLOT_FINAL_NORM] = "ln_f",      [AS_SLOT_NORM_1] = "h.%d.ln_1",
    [AS_SLOT_NORM_2] = "h.%d.ln_2", [AS_SLOT_QKV] = "h.%d.attn.c_attn", [AS_SLOT_O] = "h.%d.attn.c_proj",
    [AS_SLOT_GATE] = "h.%d.mlp.w2", [AS_SLOT_UP] = "h.%d.mlp.w1",       [AS_SLOT_DOWN] = "h.%d.mlp.c_proj",
};

static const char *const prefixes[] = {"transformer.", "", NULL};

static const char *const ignored[] = {"*rotary_emb.inv_freq", "*logn_tensor", "*attn.masked_bias",
                                      "transformer.visual.*", NULL};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &(as_size_keys){0}, as_config_int(c, "seq_length", 8192));
    spec->head_dim = as_config_size_or(c, "kv_channels", spec->head_dim, 1 << 14);
    spec->intermediate = as_config_size(c, "intermediate_size", AS_MOST_WIDTH) / 2;
    int64_t trained = as_config_size_or(c, "seq_length", 8192, 1 << 30);
    double share = as_config_number_in(c, "rotary_pct", 1, 1e-3, 1);
    int rope = as_spec_plain_rope(c, spec, AS_ROPE_HALF, (int64_t)((double)spec->head_dim * share),
                                  as_config_number_in(c, "rotary_emb_base", 10000, 1e-6, 1e30));
    if (as_config_bool(c, "use_dynamic_ntk", true)) {
        spec->ropes[rope].scaling = AS_ROPE_DYNAMIC_STEPS;
        spec->ropes[rope].max_context = spec->ropes[rope].original_context = trained;
    }
    bool biases = !as_config_bool(c, "no_bias", true);
    as_attention_spec attention = as_spec_attention(spec, rope, true, biases);
    attention.layout = AS_QKV_ROWS;
    if (!as_config_bool(c, "scale_attn_weights", true)) attention.scale = 1;
    if (as_config_bool(c, "use_logn_attn", true))
        attention.growth = (as_query_growth){.logn = (double)trained};
    as_mlp_spec mlp = as_spec_sized_mlp(spec, AS_ACT_SILU, biases);
    mlp.gated = true;
    mlp.gate = AS_SLOT_GATE;
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_epsilon", 1e-6), 0);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_qwen1 = {.architectures = {"QWenLMHeadModel"}, .describe = describe};
