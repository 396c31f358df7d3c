/* Muse Spark (Meta 2026), the text part: transformers models/muse_spark. Muse Glimmer's attention, with a
 * norm of what each head reads; experts in a narrower space, each one's output normed before its weight;
 * stream and block are mixed channel by channel by a gate that keeps their size. The norms behind the experts
 * scale first and normalise then. */
#include "engine/arch/muse.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_2] = "layers.%d.pre_feedforward_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_feedforward_layernorm",
    [AS_SLOT_RESIDUAL_GATE_1] = "layers.%d.post_attention_residual_gate.gate!",
    [AS_SLOT_RESIDUAL_GATE_2] = "layers.%d.post_feedforward_residual_gate.gate!",
    [AS_SLOT_ATTENTION_GATE] = "layers.%d.self_attn.gate_proj",
    [AS_SLOT_ROUTER] = "layers.%d.mlp.gate",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.gate.e_score_correction_bias",
    [AS_SLOT_LATENT_IN] = "layers.%d.mlp.pre_expert_proj",
    [AS_SLOT_LATENT_NORM] = "layers.%d.mlp.pre_expert_norm",
    [AS_SLOT_LATENT_OUT] = "layers.%d.mlp.post_expert_proj",
    [AS_SLOT_EACH_EXPERT_NORM] = "layers.%d.mlp.experts.post_expert_norm",
};

static const char rotation[] = "{\"rope_type\": \"default\", \"rope_theta\": 500000}";

static as_moe_spec experts_of(as_config *c, double eps, double behind)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_local_experts",
                                                           .count_default = 256,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 8,
                                                           .width = "moe_intermediate_size",
                                                           .width_default = 4096});
    moe.latent = as_config_size_or(c, "moe_hidden_size", 4096, AS_MOST_WIDTH);
    moe.latent_norm = as_spec_rms(AS_SLOT_LATENT_NORM, eps, 1);
    moe.each_norm = as_spec_rms(AS_SLOT_EACH_EXPERT_NORM, behind, 1);
    moe.each_norm.weight_first = true;
    moe.route = AS_ROUTE_SIGMOID;
    moe.correction = moe.normalise = true;
    moe.norm_added = 1e-15f;
    moe.scale = as_config_factor(c, "routed_scaling_factor", 1);
    return moe;
}

/* The gate between the stream and a block's output. */
static void mix(as_step *step, as_slot slot, float temperature)
{
    if (!step) return;
    as_affine_spec gate = {
        .scale = slot, .factors = AS_FACTORS_NEW, .temperature = temperature, .least = 1e-3f};
    step->out_affine = gate;
    gate.factors = AS_FACTORS_OLD;
    step->residual_affine = gate;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 1048576);
    as_spec_heads(c, spec, as_spec_kv_default(c, 16), 64);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5), behind = as_config_eps(c, "post_norm_eps", 1e-8);
    as_attention_spec attention = as_muse_attention(c, spec, eps, 5.4730064863875);
    attention.read_norm = as_spec_rms(AS_SLOT_NONE, eps, 0);
    attention.read_norm.weightless = true;
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = 10000, .parameters = rotation};
    int rope = as_config_rope(c, &rotary, spec);
    double scale = as_config_number_in(c, "output_multiplier", 0.1767766952966369, -1e9, 1e9);
    as_config experts = *c; /* what is wrong with them matters where a layer has some */
    as_moe_spec moe = experts_of(&experts, eps, behind);
    moe.router_out_scale = as_factor_of(scale);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 1);
    float temperature = (float)as_config_number_in(c, "residual_gate_temperature", 0.3, -1e9, 1e9);
    int64_t window = as_spec_window(c, 2048);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = as_spec_layer_window(c, spec, i, (spec->layer_count - 1 - i) % 4 != 0, window);
        attention.rope = as_muse_rotates(c, spec, i) ? rope : -1;
        as_step *mixer = as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        mixer->out_norm = as_spec_rms(AS_SLOT_NONE, behind, 0);
        mixer->out_norm.weightless = true;
        mix(mixer, AS_SLOT_RESIDUAL_GATE_1, temperature);
        bool sparse = as_spec_is_sparse(c, spec, i, 0);
        if (sparse) as_config_return(c, &experts);
        as_step *ffn = as_spec_add_either(c, spec, i, sparse ? &moe : NULL, &mlp, norm);
        ffn->out_norm = as_spec_rms(AS_SLOT_NORM_2_POST, behind, 1);
        ffn->out_norm.weight_first = true;
        mix(ffn, AS_SLOT_RESIDUAL_GATE_2, temperature);
    }
    spec->embed_norm = as_spec_rms(AS_SLOT_EMBED_NORM, eps, 0);
    spec->embed_norm.weightless = true;
    spec->logit_scale = as_factor_of(scale);
    spec->logit_cap = as_spec_cap(c, "final_logit_softcapping", 20);
    spec->names = names;
    as_spec_finish(c, spec, as_spec_rms(AS_SLOT_FINAL_NORM, eps, 0), false);
}

const as_family as_family_muse_spark = {.describe = describe};
