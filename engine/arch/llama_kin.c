/* Models whose repositories bring Llama's mathematics in code of their own: InternLM and InternLM2 (Cai et
 * al. 2024), Yi in its first form, Aquila, XVERSE, Orion (layer norms), Skywork, EXAONE 3 (LG AI 2024),
 * StableLM Epoch (layer norms, part of each head rotated), MiniCPM (Hu et al. 2024: scaled embedding,
 * residuals and logits). InternLM2 stores query, key and value of each group in one matrix. */
#include <math.h>
#include <string.h>

#include "engine/arch/arch.h"

static const char *const internlm2_names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "tok_embeddings",
    [AS_SLOT_HEAD] = "^output|^lm_head",
    [AS_SLOT_NORM_1] = "layers.%d.attention_norm",
    [AS_SLOT_NORM_2] = "layers.%d.ffn_norm",
    [AS_SLOT_QKV] = "layers.%d.attention.wqkv",
    [AS_SLOT_O] = "layers.%d.attention.wo",
    [AS_SLOT_GATE] = "layers.%d.feed_forward.w1",
    [AS_SLOT_UP] = "layers.%d.feed_forward.w3",
    [AS_SLOT_DOWN] = "layers.%d.feed_forward.w2",
};

static const char *const yi_names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1] = "layers.%d.ln1|layers.%d.input_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.ln2|layers.%d.post_attention_layernorm",
};

static const char *const exaone_names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "wte",
    [AS_SLOT_FINAL_NORM] = "ln_f",
    [AS_SLOT_NORM_1] = "h.%d.ln_1",
    [AS_SLOT_NORM_2] = "h.%d.ln_2",
    [AS_SLOT_Q] = "h.%d.attn.attention.q_proj",
    [AS_SLOT_K] = "h.%d.attn.attention.k_proj",
    [AS_SLOT_V] = "h.%d.attn.attention.v_proj",
    [AS_SLOT_O] = "h.%d.attn.attention.out_proj",
    [AS_SLOT_GATE] = "h.%d.mlp.c_fc_0",
    [AS_SLOT_UP] = "h.%d.mlp.c_fc_1",
    [AS_SLOT_DOWN] = "h.%d.mlp.c_proj",
};

static const char *const exaone_prefixes[] = {"transformer.", "", NULL};
static const char *const exaone_ignored[] = {"*rotary.inv_freq", "*rotary_emb.inv_freq", NULL};

/* What differs between them. */
typedef struct kin {
    const char *eps_key;
    double eps;
    int64_t context, kv_heads; /* where the config is silent; kv_heads 0: as many as heads */
    double theta, partial;     /* partial 0: whole heads are rotated */
    bool layer_norm, qkv_bias, o_bias, grouped, tied;
    float embed_scale, residual_scale, logit_scale;
} kin;

static void describe(as_config *c, as_model_spec *spec, const kin *k)
{
    as_norm_spec norm = k->layer_norm
                            ? as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, k->eps_key, k->eps))
                            : as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, k->eps_key, k->eps), 0);
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = k->theta, .partial = k->partial};
    as_attention_spec attention =
        as_spec_attention(spec, as_config_rope(c, &rotary, spec), k->qkv_bias, k->o_bias);
    if (k->grouped) attention.layout = AS_QKV_PER_KV_HEAD;
    as_mlp_spec mlp = as_spec_gated_mlp(
        c, spec, as_config_activation(c, as_config_key(c, "hidden_act", "activation_function"), "silu"),
        false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm)->residual_scale =
            k->residual_scale;
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm)->residual_scale = k->residual_scale;
    }
    spec->embed_scale = k->embed_scale;
    spec->logit_scale = k->logit_scale;
    as_spec_finish(c, spec, norm, k->tied);
}

static void describe_usual(as_config *c, as_model_spec *spec, const kin *k)
{
    as_spec_base(c, spec, k->context);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : k->kv_heads, 0);
    describe(c, spec, k);
}

static void describe_plain(as_config *c, as_model_spec *spec)
{
    bool bias = as_config_bool(c, "attention_bias", false);
    describe_usual(c, spec,
                   &(kin){"rms_norm_eps", 1e-6, 2048, .theta = 10000, .qkv_bias = bias, .o_bias = bias});
}

static void describe_yi(as_config *c, as_model_spec *spec)
{
    spec->names = yi_names;
    describe_usual(c, spec, &(kin){"rms_norm_eps", 1e-5, 4096, 4, .theta = 5e6});
}

static void describe_orion(as_config *c, as_model_spec *spec)
{
    bool bias = as_config_bool(c, "attention_bias", false);
    describe_usual(c, spec,
                   &(kin){"rms_norm_eps", 1e-5, 4096, .theta = 10000, .layer_norm = true, .qkv_bias = bias,
                          .o_bias = bias});
}

static void describe_internlm2(as_config *c, as_model_spec *spec)
{
    bool bias = as_config_bool(c, "bias", true);
    spec->names = internlm2_names;
    describe_usual(c, spec,
                   &(kin){"rms_norm_eps", 1e-6, 2048, .theta = 10000, .qkv_bias = bias, .o_bias = bias,
                          .grouped = true});
}

/* The first InternLM says its rotary encoding in an object of its own: base, type (origin or dynamic),
 * scaling_factor.
 */
static void describe_internlm(as_config *c, as_model_spec *spec)
{
    as_config rotary = as_config_nested(c, "rotary");
    const char *type = as_config_string(&rotary, "type", "origin");
    bool bias = as_config_bool(c, "bias", true);
    describe_usual(c, spec,
                   &(kin){"rms_norm_eps", 1e-6, 2048,
                          .theta = as_config_number_in(&rotary, "base", 10000, 1e-6, 1e30), .qkv_bias = bias,
                          .o_bias = bias});
    if (strcmp(type, "dynamic") == 0) {
        spec->ropes[0].scaling = AS_ROPE_DYNAMIC;
        spec->ropes[0].factor = as_config_number_in(&rotary, "scaling_factor", 1, 1e-6, 1e6);
    } else if (strcmp(type, "origin") != 0) {
        as_config_fail(&rotary, AS_E_UNSUPPORTED, "\"rotary\" has type \"%s\", expected origin or dynamic",
                       type);
    }
    as_config_return(c, &rotary);
}

static void describe_exaone(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &(as_size_keys){.layers = "num_layers"}, 2048);
    as_spec_heads(c, spec, 0, 0);
    spec->names = exaone_names;
    spec->prefixes = exaone_prefixes;
    spec->ignored = exaone_ignored;
    describe(c, spec, &(kin){as_config_key(c, "layer_norm_epsilon", "rms_norm_eps"), 1e-6, .theta = 10000});
}

static void describe_stablelm_epoch(as_config *c, as_model_spec *spec)
{
    const char *share = as_config_key(c, "rope_pct", "partial_rotary_factor");
    describe_usual(c, spec,
                   &(kin){as_config_key(c, "norm_eps", "layer_norm_eps"), 1e-5, 4096, .theta = 10000,
                          .partial = as_config_number_in(c, share, 0.25, 1e-3, 1), .layer_norm = true,
                          .qkv_bias = as_config_bool(c, "use_qkv_bias", false)});
}

static void describe_minicpm(as_config *c, as_model_spec *spec)
{
    if (as_config_int(c, "num_experts", 0) > 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"num_experts\": MiniCPM with experts is not supported");
    }
    if (json_is_object(json_object_get(c->root, "sparse_config"))) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"sparse_config\": sparse attention is not supported");
    }
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    double depth = as_config_number_in(c, "scale_depth", 1, -1e6, 1e6),
           base = as_config_number_in(c, "dim_model_base", 1, 1e-6, 1e9);
    describe(c, spec,
             &(kin){"rms_norm_eps", 1e-6, .theta = 10000, .qkv_bias = bias, .o_bias = bias, .tied = true,
                    .embed_scale = (float)as_config_number_in(c, "scale_emb", 1, -1e6, 1e6),
                    .residual_scale = (float)(depth / sqrt((double)spec->layer_count)),
                    .logit_scale = (float)(base / (double)spec->hidden)});
}

const as_family as_family_llama_kin = {
    .architectures = {"AquilaForCausalLM", "AquilaModel", "XverseForCausalLM", "SkyworkForCausalLM"},
    .describe = describe_plain};
const as_family as_family_yi = {.architectures = {"YiForCausalLM"}, .describe = describe_yi};
const as_family as_family_orion = {.architectures = {"OrionForCausalLM"}, .describe = describe_orion};
const as_family as_family_internlm = {.architectures = {"InternLMForCausalLM"},
                                      .describe = describe_internlm};
const as_family as_family_internlm2 = {.architectures = {"InternLM2ForCausalLM"},
                                       .describe = describe_internlm2};
const as_family as_family_exaone = {.architectures = {"ExaoneForCausalLM"}, .describe = describe_exaone};
const as_family as_family_stablelm_epoch = {.architectures = {"StableLMEpochForCausalLM"},
                                            .describe = describe_stablelm_epoch};
const as_family as_family_minicpm = {.architectures = {"MiniCPMForCausalLM"}, .describe = describe_minicpm};
