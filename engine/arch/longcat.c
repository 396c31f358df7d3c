/* LongCat-Flash: Meituan 2025; transformers models/longcat_flash. A layer has two latent attentions and two
 * dense blocks; experts read what the first dense block reads and are added behind the second, a shortcut
 * across it. Some experts give back what they are given. Latents are scaled to the variance of the full
 * width. Weights are not normalised: transformers leaves norm_topk_prob unread. */
#include <math.h>
#include <string.h>

#include "engine/arch/arch.h"
#include "engine/blocks/moe.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm.%p",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm.%p",
    [AS_SLOT_Q_DOWN] = "layers.%d.self_attn.%p.q_a_proj",
    [AS_SLOT_Q_DOWN_NORM] = "layers.%d.self_attn.%p.q_a_layernorm",
    [AS_SLOT_Q_UP] = "layers.%d.self_attn.%p.q_b_proj",
    [AS_SLOT_KV_DOWN] = "layers.%d.self_attn.%p.kv_a_proj_with_mqa",
    [AS_SLOT_KV_DOWN_NORM] = "layers.%d.self_attn.%p.kv_a_layernorm",
    [AS_SLOT_KV_UP] = "layers.%d.self_attn.%p.kv_b_proj",
    [AS_SLOT_O] = "layers.%d.self_attn.%p.o_proj",
    [AS_SLOT_GATE] = "layers.%d.mlps.%p.gate_proj",
    [AS_SLOT_UP] = "layers.%d.mlps.%p.up_proj",
    [AS_SLOT_DOWN] = "layers.%d.mlps.%p.down_proj",
    [AS_SLOT_ROUTER] = "layers.%d.mlp.router.classifier",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.router.e_score_correction_bias",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.mlp.experts.%e.gate_proj|layers.%d.mlp.experts.gate_up_proj!+#0/2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.mlp.experts.%e.up_proj|layers.%d.mlp.experts.gate_up_proj!+#1/2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.mlp.experts.%e.down_proj|layers.%d.mlp.experts.down_proj!",
};

/* The model predicts further tokens by a part of its own; the router's bias is never read. */
static const char *const ignored[] = {"*rotary_emb.inv_freq", "model.mtp.*", "*router.classifier.bias", NULL};

/* A field under the model's own name or the usual one. */
static int64_t size_of(as_config *c, const char *key, const char *usual, int64_t otherwise, int64_t most)
{
    return as_config_size_or(c, as_config_has(c, key) ? key : usual, otherwise, most);
}

static as_moe_spec read_experts(as_config *c)
{
    int64_t identity = as_config_int(c, "zero_expert_num", 256);
    if (json_is_null(json_object_get(c->root, "zero_expert_num"))) identity = 0;
    as_moe_spec moe = {.experts = size_of(c, "n_routed_experts", "num_local_experts", 512, AS_MOST_EXPERTS),
                       .top_k = size_of(c, "moe_topk", "num_experts_per_tok", 12, 256),
                       .width =
                           size_of(c, "expert_ffn_hidden_size", "moe_intermediate_size", 2048, AS_MOST_WIDTH),
                       .identity = identity,
                       .act = as_config_activation(c, "hidden_act", "silu"),
                       .gated = true,
                       .route = AS_ROUTE_SOFTMAX,
                       .correction = true,
                       .scale = as_config_factor(c, "routed_scaling_factor", 6),
                       .groups = 1};
    if (identity < 0 || identity > AS_MOST_EXPERTS) {
        as_config_fail(c, AS_E_INPUT, "\"zero_expert_num\" is %lld", (long long)identity);
        moe.identity = 0;
    }
    const char *kind = as_config_string(c, "zero_expert_type", "identity");
    if (strcmp(kind, "identity") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"zero_expert_type\" is \"%s\", expected identity", kind);
    }
    if (moe.top_k > moe.experts + moe.identity) {
        as_config_fail(c, AS_E_INPUT, "\"moe_topk\" is %lld of %lld experts", (long long)moe.top_k,
                       (long long)(moe.experts + moe.identity));
    }
    return moe;
}

static as_mla_spec read_attention(as_config *c, as_model_spec *spec)
{
    static const as_mla_defaults defaults = {.q_rank = 1536,
                                             .kv_rank = 512,
                                             .nope = 128,
                                             .rope = 64,
                                             .v_width = 128,
                                             .theta = 1e7,
                                             .kind = AS_ROPE_INTERLEAVED};
    as_mla_spec m = as_spec_mla(c, spec, &defaults);
    int64_t head = as_config_size_or(c, "qk_head_dim", m.nope + m.rope, AS_MOST_WIDTH);
    if (head != m.nope + m.rope) {
        as_config_fail(c, AS_E_INPUT, "\"qk_head_dim\" is %lld, expected %lld + %lld", (long long)head,
                       (long long)m.nope, (long long)m.rope);
    }
    if (m.q_rank == 0) as_config_fail(c, AS_E_UNSUPPORTED, "\"q_lora_rank\" is null, expected a number");
    if (m.q_rank) m.q_scale = (float)sqrt((double)spec->hidden / (double)m.q_rank);
    m.kv_scale = (float)sqrt((double)spec->hidden / (double)m.kv_rank);
    return m;
}

static void add_layer(as_config *c, as_model_spec *spec, int64_t layer, const as_mla_spec *attention,
                      const as_mlp_spec *mlp, const as_moe_spec *moe, as_norm_spec norm)
{
    as_spec_add_mixer(c, spec, layer, &as_block_mla, attention, norm);
    as_step *experts = as_spec_add_ffn(c, spec, layer, &as_block_moe, moe, norm);
    experts->deferred = true;
    experts->trace = "experts";
    as_spec_add_ffn(c, spec, layer, &as_block_mlp, mlp, norm);
    as_step *second = as_spec_add_mixer(c, spec, layer, &as_block_mla, attention, norm);
    second->part = 1;
    second->trace = "mixer.1";
    second = as_spec_add_ffn(c, spec, layer, &as_block_mlp, mlp, norm);
    second->part = 1;
    second->trace = "ffn.1";
}

static void describe(as_config *c, as_model_spec *spec)
{
    int64_t layers = as_config_size_or(c, "num_layers", 28, AS_MOST_LAYERS);
    if (!as_config_has(c, "num_layers") && as_config_has(c, "num_hidden_layers")) {
        layers = as_config_size(c, "num_hidden_layers", AS_MOST_LAYERS) / 2; /* one for each attention */
        if (layers == 0) as_config_fail(c, AS_E_INPUT, "\"num_hidden_layers\" is 1, two make a layer");
    }
    as_spec_base_of(c, spec, layers, 131072);
    if (c->rc != AS_OK) return;
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_mla_spec attention = read_attention(c, spec);
    as_moe_spec moe = read_experts(c);
    spec->intermediate = size_of(c, "ffn_hidden_size", "intermediate_size", 12288, AS_MOST_WIDTH);
    as_mlp_spec mlp = {.width = spec->intermediate,
                       .act = moe.act,
                       .gated = true,
                       .gate = AS_SLOT_GATE,
                       .up = AS_SLOT_UP,
                       .down = AS_SLOT_DOWN};
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        add_layer(c, spec, i, &attention, &mlp, &moe, norm);
    }
    spec->names = names;
    spec->ignored = ignored;
    if (c->rc == AS_OK && moe.identity) { /* saved by transformers, without content */
        as_spec_ignore_numbered(c, spec, "*.mlp.experts.%lld.*", moe.experts, moe.identity);
    }
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_longcat_flash = {.architectures = {"LongcatFlashForCausalLM"},
                                           .describe = describe};
