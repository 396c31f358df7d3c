/* OLMo in the form of its first repositories: Groeneveld et al. 2024; hf_olmo of the package ai2-olmo. The
 * mathematics of OlmoForCausalLM, with the fields and names of the training code: one projection for query,
 * key and value, one for up and gate, and a vocabulary padded to embedding_size. */
#include <math.h>

#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "wte",
    [AS_SLOT_HEAD] = "^model.transformer.ff_out|^transformer.ff_out",
    [AS_SLOT_QKV] = "blocks.%d.att_proj",
    [AS_SLOT_O] = "blocks.%d.attn_out",
    [AS_SLOT_UP] = "blocks.%d.ff_proj#0/2",
    [AS_SLOT_GATE] = "blocks.%d.ff_proj#1/2",
    [AS_SLOT_DOWN] = "blocks.%d.ff_out",
};

static const char *const prefixes[] = {"model.transformer.", "transformer.", NULL};

/* What the published ones have, and their configurations state; the training code knows more. */
static void expect_published_form(as_config *c)
{
    static const struct {
        const char *key;
        bool wanted;
    } switches[] = {{"layer_norm_with_affine", false},
                    {"include_bias", false},
                    {"rope", true},
                    {"alibi", false},
                    {"attention_layer_norm", false},
                    {"embedding_layer_norm", false},
                    {"norm_after", false}};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (as_config_bool(c, switches[i].key, switches[i].wanted) == switches[i].wanted) continue;
        as_config_fail(c, AS_E_UNSUPPORTED, "\"%s\" is %s, which is not supported", switches[i].key,
                       switches[i].wanted ? "false" : "true");
    }
    as_spec_expect(c, "layer_norm_type", "default", "low_precision");
    as_spec_expect(c, "activation_type", "swiglu", "swiglu");
    as_spec_expect(c, "block_type", "sequential", "sequential");
}

static void describe(as_config *c, as_model_spec *spec)
{
    static const as_size_keys keys = {"d_model", "n_layers", "n_heads", "max_sequence_length"};
    expect_published_form(c);
    as_spec_base_named(c, spec, &keys, 1024);
    spec->vocab = as_config_size_or(c, "embedding_size", spec->vocab, AS_MOST_WIDTH * 4);
    bool shared = as_config_bool(c, "multi_query_attention", false);
    spec->kv_heads = as_config_size_or(c, "n_kv_heads", shared ? 1 : spec->heads, AS_MOST_HEADS);
    if (spec->heads % spec->kv_heads) {
        as_config_fail(c, AS_E_INPUT, "\"n_kv_heads\" is %lld, which does not divide \"n_heads\" %lld",
                       (long long)spec->kv_heads, (long long)spec->heads);
    }
    int64_t ratio = as_config_size_or(c, "mlp_ratio", 4, 1 << 10);
    spec->intermediate = as_config_size_or(c, "mlp_hidden_size", ratio * spec->hidden, AS_MOST_WIDTH) / 2;
    int rope = as_spec_plain_rope(c, spec, AS_ROPE_HALF, spec->head_dim,
                                  as_config_number_in(c, "rope_theta", 10000, 1e-6, 1e30));
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    attention.layout = AS_QKV_ROWS;
    if (as_config_has(c, "clip_qkv")) {
        attention.qkv_clip = (float)as_config_number_in(c, "clip_qkv", 0, 1e-9, 1e30);
    }
    as_mlp_spec mlp = as_spec_sized_mlp(spec, AS_ACT_SILU, false);
    mlp.gated = true;
    mlp.gate = AS_SLOT_GATE;
    as_norm_spec norm = {.present = true, .kind = AS_NORM_LAYER, .weightless = true};
    norm.eps = (float)as_config_eps(c, "layer_norm_eps", 1e-5);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    if (as_config_bool(c, "scale_logits", false)) spec->logit_scale = 1 / sqrtf((float)spec->hidden);
    spec->names = names;
    spec->prefixes = prefixes;
    as_spec_finish(c, spec, norm, false);
    spec->tied_head = as_config_bool(c, "weight_tying", true);
}

const as_family as_family_olmo_first = {.architectures = {"OLMoForCausalLM"}, .describe = describe};
