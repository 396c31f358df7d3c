/* GPT-J and CodeGen: Wang and Komatsuzaki 2021, Nijkamp et al. 2022; transformers models/gptj,
 * models/codegen. Attention and feed-forward side by side behind one layer norm, rotary in neighbouring pairs
 * on the first rotary_dim of a head. CodeGen's one projection was cut for four TPU cores: for each its
 * queries, values, keys. MOSS (Sun et al. 2023) is CodeGen's code under another name. */
#include "engine/arch/arch.h"

static const as_size_keys keys = {"n_embd", "n_layer", "n_head", "n_positions"};

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "wte",
    [AS_SLOT_FINAL_NORM] = "ln_f",
    [AS_SLOT_NORM_1] = "h.%d.ln_1",
    [AS_SLOT_Q] = "h.%d.attn.q_proj",
    [AS_SLOT_K] = "h.%d.attn.k_proj",
    [AS_SLOT_V] = "h.%d.attn.v_proj",
    [AS_SLOT_QKV] = "h.%d.attn.qkv_proj",
    [AS_SLOT_O] = "h.%d.attn.out_proj",
    [AS_SLOT_UP] = "h.%d.mlp.fc_in",
    [AS_SLOT_DOWN] = "h.%d.mlp.fc_out",
};

static const char *const prefixes[] = {"transformer.", "", NULL};

static const char *const ignored[] = {"*attn.bias",        "*attn.masked_bias",
                                      "*attn.causal_mask", "*attn.embed_positions",
                                      "*attn.scale_attn",  NULL};

static void describe(as_config *c, as_model_spec *spec, as_qkv_layout layout)
{
    enum { CORES = 4 };
    as_spec_base_named(c, spec, &keys, 2048);
    spec->intermediate = as_config_size_or(c, "n_inner", 4 * spec->hidden, AS_MOST_WIDTH);
    if (layout == AS_QKV_PARTS_QVK && spec->heads % CORES) {
        as_config_fail(c, AS_E_INPUT, "\"n_head\" is %lld, not a multiple of the %d parts of its projection",
                       (long long)spec->heads, CORES);
    }
    bool null = json_is_null(json_object_get(c->root, "rotary_dim"));
    int64_t rotary = as_config_int(c, "rotary_dim", null || spec->head_dim < 64 ? spec->head_dim : 64);
    int rope = as_spec_plain_rope(c, spec, AS_ROPE_INTERLEAVED, rotary, 10000);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    attention.layout = layout;
    attention.qkv_parts = CORES;
    as_mlp_spec mlp =
        as_spec_sized_mlp(spec, as_config_activation(c, "activation_function", "gelu_new"), true);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_epsilon", 1e-5));
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_step *ffn = as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        ffn->in_norm.slot = AS_SLOT_NORM_1;
        ffn->parallel = true;
    }
    spec->head_bias = true;
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

static void describe_gptj(as_config *c, as_model_spec *spec)
{
    describe(c, spec, AS_QKV_SEPARATE);
}

static void describe_codegen(as_config *c, as_model_spec *spec)
{
    describe(c, spec, AS_QKV_PARTS_QVK);
}

const as_family as_family_gptj = {.architectures = {"GPTJForCausalLM"}, .describe = describe_gptj};
const as_family as_family_codegen = {.architectures = {"CodeGenForCausalLM", "MossForCausalLM"},
                                     .describe = describe_codegen};
