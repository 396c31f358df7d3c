/* Falcon: Almazrouei et al. 2023; transformers models/falcon. Three forms: 7B (one key and value for all
 * heads, attention and feed-forward side by side behind one norm), 40B (new_decoder_architecture: grouped
 * heads, a norm for each side) and RW (ALiBi, key and value for each head, one after the other). The bias of
 * ALiBi is divided by sqrt(head_dim) like the scores, and is bfloat16 whatever the model's type. transformers
 * adds it twice in eager attention; sdpa and the published code add it once. */
#include <math.h>

#include "engine/arch/arch.h"

static const as_size_keys keys = {.layers = "n_layer", .heads = "n_head"};

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "word_embeddings",
    [AS_SLOT_FINAL_NORM] = "ln_f",
    [AS_SLOT_NORM_1] = "h.%d.input_layernorm",
    [AS_SLOT_NORM_2] = "h.%d.post_attention_layernorm",
    [AS_SLOT_QKV] = "h.%d.self_attention.query_key_value",
    [AS_SLOT_O] = "h.%d.self_attention.dense",
    [AS_SLOT_UP] = "h.%d.mlp.dense_h_to_4h",
    [AS_SLOT_DOWN] = "h.%d.mlp.dense_4h_to_h",
};

static const char *const two_norm_names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "word_embeddings",
    [AS_SLOT_FINAL_NORM] = "ln_f",
    [AS_SLOT_NORM_1] = "h.%d.ln_attn",
    [AS_SLOT_NORM_2] = "h.%d.ln_mlp",
    [AS_SLOT_QKV] = "h.%d.self_attention.query_key_value",
    [AS_SLOT_O] = "h.%d.self_attention.dense",
    [AS_SLOT_UP] = "h.%d.mlp.dense_h_to_4h",
    [AS_SLOT_DOWN] = "h.%d.mlp.dense_4h_to_h",
};

static const char *const prefixes[] = {"transformer.", "", NULL};

static const char *const ignored[] = {"*.maybe_rotary.inv_freq", "*rotary_emb.inv_freq", NULL};

typedef struct shape {
    bool grouped, one, parallel; /* new_decoder_architecture, multi_query, parallel_attn */
    int64_t norms;               /* before the two sides of a parallel layer */
} shape;

static shape read_shape(as_config *c, as_model_spec *spec)
{
    /* The repositories of before the class was in transformers say n_head_kv and nothing else. */
    const char *kv = as_config_key(c, "num_kv_heads", "n_head_kv");
    shape s = {.grouped = as_config_bool(c, "new_decoder_architecture", as_config_has(c, "n_head_kv"))};
    s.one = as_config_bool(c, "multi_query", true) && !s.grouped;
    s.parallel = as_config_bool(c, "parallel_attn", true);
    s.norms = as_config_int(c, "num_ln_in_parallel_attn", s.grouped ? 2 : 1);
    if (!s.grouped && (s.norms != 2 || !s.parallel)) s.norms = 1; /* whatever it says */
    if (s.grouped) spec->kv_heads = as_config_size_or(c, kv, spec->heads, AS_MOST_HEADS);
    if (s.one) spec->kv_heads = 1;
    if (spec->heads % spec->kv_heads) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld, which does not divide the %lld heads", kv,
                       (long long)spec->kv_heads, (long long)spec->heads);
    }
    if (s.grouped && !s.parallel) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"parallel_attn\" is false, which \"new_decoder_architecture\" does not know");
    }
    if (s.norms != 1 && !(s.norms == 2 && s.grouped)) {
        as_config_fail(
            c, AS_E_UNSUPPORTED,
            "\"num_ln_in_parallel_attn\" is %lld, expected 1, or 2 with \"new_decoder_architecture\"",
            (long long)s.norms);
    }
    return s;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_size_keys named = keys;
    named.hidden = as_config_has(c, "n_embed") ? "n_embed" : NULL;
    named.layers = as_config_has(c, "num_hidden_layers") ? NULL : named.layers;
    named.heads = as_config_has(c, "num_attention_heads") ? NULL : named.heads;
    as_spec_base_named(c, spec, &named, 2048);
    shape s = read_shape(c, spec);
    spec->intermediate = as_config_size_or(c, "ffn_hidden_size", 4 * spec->hidden, AS_MOST_WIDTH);
    bool bias = as_config_bool(c, "bias", false), alibi = as_config_bool(c, "alibi", false);
    int rope = -1;
    if (!alibi) {
        rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    }
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.layout = s.one ? AS_QKV_ROWS : AS_QKV_PER_KV_HEAD;
    if (alibi) {
        attention.alibi_max = 8;
        attention.alibi_rounded = true;
        attention.alibi_scale = attention.scale;
    }
    as_mlp_spec mlp = as_spec_sized_mlp(spec, as_config_activation(c, "activation", "gelu"), bias);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_epsilon", 1e-5));
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_step *ffn = as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        ffn->parallel = s.parallel;
        if (s.parallel && s.norms == 1) ffn->in_norm.slot = AS_SLOT_NORM_1;
    }
    spec->names = s.norms == 2 ? two_norm_names : names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_falcon = {.architectures = {"FalconForCausalLM", "RWForCausalLM"},
                                    .describe = describe};
