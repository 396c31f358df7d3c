/* What families share; see arch.h. */
#include <math.h>
#include <string.h>

#include "engine/arch/arch.h"
#include "engine/blocks/block.h"

void as_spec_base(as_config *config, as_model_spec *spec, int64_t default_context)
{
    spec->hidden = as_config_size(config, "hidden_size", AS_MOST_WIDTH);
    spec->layer_count = as_config_size(config, "num_hidden_layers", AS_MOST_LAYERS);
    spec->vocab = as_config_size(config, "vocab_size", AS_MOST_WIDTH * 4);
    spec->context = as_config_size_or(config, "max_position_embeddings", default_context, 1 << 30);
    spec->layers = AS_ARENA_NEW_ARRAY(&spec->arena, as_layer_spec, spec->layer_count);
    if (!spec->layers)
        as_config_fail(config, AS_E_MEMORY, "out of memory for %lld layers", (long long)spec->layer_count);
}

void as_spec_heads(as_config *config, as_model_spec *spec, int64_t default_kv, int64_t default_head)
{
    spec->heads = as_config_size(config, "num_attention_heads", AS_MOST_HEADS);
    spec->kv_heads = as_config_size_or(config, "num_key_value_heads", default_kv ? default_kv : spec->heads,
                                       AS_MOST_HEADS);
    if (spec->heads % spec->kv_heads) {
        as_config_fail(config, AS_E_INPUT,
                       "\"num_key_value_heads\" is %lld, which does not divide "
                       "\"num_attention_heads\" %lld",
                       (long long)spec->kv_heads, (long long)spec->heads);
    }
    if (!as_config_has(config, "head_dim") && !default_head && spec->hidden % spec->heads) {
        as_config_fail(config, AS_E_INPUT,
                       "\"hidden_size\" is %lld, not a multiple of \"num_attention_heads\" %lld, and "
                       "there is no \"head_dim\"",
                       (long long)spec->hidden, (long long)spec->heads);
    }
    int64_t plain = spec->hidden / spec->heads;
    spec->head_dim = as_config_size_or(config, "head_dim",
                                       default_head ? default_head
                                       : plain > 0  ? plain
                                                    : 1,
                                       1 << 14);
}

as_attention_spec as_spec_attention(const as_model_spec *spec, int rope, bool qkv_bias, bool o_bias)
{
    return (as_attention_spec){.heads = spec->heads,
                               .kv_heads = spec->kv_heads,
                               .k_width = spec->head_dim,
                               .v_width = spec->head_dim,
                               .q_bias = qkv_bias,
                               .k_bias = qkv_bias,
                               .v_bias = qkv_bias,
                               .o_bias = o_bias,
                               .rope = rope,
                               .scale = (float)(1 / sqrt((double)spec->head_dim))};
}

as_mlp_spec as_spec_gated_mlp(as_config *config, as_model_spec *spec, as_activation act, bool bias)
{
    spec->intermediate = as_config_size(config, "intermediate_size", AS_MOST_WIDTH);
    return (as_mlp_spec){.width = spec->intermediate,
                         .act = act,
                         .gated = true,
                         .up_bias = bias,
                         .down_bias = bias,
                         .gate = AS_SLOT_GATE,
                         .up = AS_SLOT_UP,
                         .down = AS_SLOT_DOWN};
}

as_norm_spec as_spec_rms(as_slot slot, double eps, float weight_offset)
{
    return (as_norm_spec){.present = true,
                          .kind = AS_NORM_RMS,
                          .eps = (float)eps,
                          .weight_offset = weight_offset,
                          .slot = slot};
}

as_norm_spec as_spec_layer_norm(as_slot slot, double eps)
{
    return (as_norm_spec){
        .present = true, .kind = AS_NORM_LAYER, .has_bias = true, .eps = (float)eps, .slot = slot};
}

as_step *as_spec_add_step(as_layer_spec *layer, const struct as_block *block, const char *trace)
{
    AS_BUG(layer->step_count == AS_MAX_STEPS);
    as_step *step = &layer->steps[layer->step_count++];
    *step = (as_step){.block = block, .trace = trace};
    return step;
}

void as_spec_pre_norm_layer(as_layer_spec *layer, const as_attention_spec *attention, const as_mlp_spec *mlp,
                            double eps)
{
    as_step *mixer = as_spec_add_step(layer, &as_block_attention, "mixer");
    mixer->in_norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    mixer->u.attention = *attention;
    as_step *ffn = as_spec_add_step(layer, &as_block_mlp, "ffn");
    ffn->in_norm = as_spec_rms(AS_SLOT_NORM_2, eps, 0);
    ffn->u.mlp = *mlp;
}

int64_t as_spec_layer_window(as_config *config, const as_model_spec *spec, int64_t layer, bool by_rule,
                             int64_t window)
{
    const char *type = as_config_layer_type(config, layer, spec->layer_count);
    if (!type) return by_rule ? window : 0;
    if (strcmp(type, "sliding_attention") == 0) return window;
    if (strcmp(type, "full_attention") != 0) {
        as_config_fail(config, AS_E_UNSUPPORTED,
                       "\"layer_types\"[%lld] is \"%s\", expected full_attention or "
                       "sliding_attention",
                       (long long)layer, type);
    }
    return 0;
}

const char *const as_llama_names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens",
    [AS_SLOT_FINAL_NORM] = "norm",
    [AS_SLOT_HEAD] = "^lm_head",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_Q] = "layers.%d.self_attn.q_proj",
    [AS_SLOT_K] = "layers.%d.self_attn.k_proj",
    [AS_SLOT_V] = "layers.%d.self_attn.v_proj",
    [AS_SLOT_O] = "layers.%d.self_attn.o_proj",
    [AS_SLOT_Q_NORM] = "layers.%d.self_attn.q_norm",
    [AS_SLOT_K_NORM] = "layers.%d.self_attn.k_norm",
    [AS_SLOT_GATE] = "layers.%d.mlp.gate_proj",
    [AS_SLOT_UP] = "layers.%d.mlp.up_proj",
    [AS_SLOT_DOWN] = "layers.%d.mlp.down_proj",
};

const char *const as_llama_prefixes[] = {"model.", "", NULL};

/* Buffers of older checkpoints. */
const char *const as_llama_ignored[] = {"*rotary_emb.inv_freq", NULL};
