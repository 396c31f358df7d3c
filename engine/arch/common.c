/* What families share; see arch.h. */
#include <math.h>
#include <string.h>

#include "engine/arch/arch.h"

void as_spec_base(as_config *config, as_model_spec *spec, int64_t default_context)
{
    spec->hidden = as_config_size(config, "hidden_size", AS_MOST_WIDTH); /* the first to be missed */
    as_spec_base_of(config, spec, as_config_size(config, "num_hidden_layers", AS_MOST_LAYERS),
                    default_context);
}

void as_spec_base_of(as_config *config, as_model_spec *spec, int64_t layers, int64_t default_context)
{
    spec->layer_count = layers;
    spec->hidden = as_config_size(config, "hidden_size", AS_MOST_WIDTH);
    spec->vocab = as_config_size(config, "vocab_size", AS_MOST_WIDTH * 4);
    spec->context = as_config_size_or(config, "max_position_embeddings", default_context, 1 << 30);
    spec->layers = AS_ARENA_NEW_ARRAY(&spec->arena, as_layer_spec, spec->layer_count);
    if (!spec->layers)
        as_config_fail(config, AS_E_MEMORY, "out of memory for %lld layers", (long long)spec->layer_count);
}

void as_spec_heads(as_config *config, as_model_spec *spec, int64_t default_kv, int64_t default_head)
{
    spec->heads = as_config_size(config, "num_attention_heads", AS_MOST_HEADS);
    if (json_is_null(json_object_get(config->root, "num_key_value_heads"))) default_kv = 0;
    if (json_is_null(json_object_get(config->root, "head_dim"))) default_head = 0;
    spec->kv_heads = as_config_size_or(config, "num_key_value_heads", default_kv ? default_kv : spec->heads,
                                       AS_MOST_HEADS);
    if (spec->heads % spec->kv_heads) {
        as_config_fail(config, AS_E_INPUT,
                       "\"num_key_value_heads\" is %lld, which does not divide "
                       "\"num_attention_heads\" %lld",
                       (long long)spec->kv_heads, (long long)spec->heads);
    }
    int64_t plain = spec->hidden / spec->heads;
    if (!as_config_has(config, "head_dim") && !default_head && plain < 1) {
        as_config_fail(config, AS_E_INPUT,
                       "\"hidden_size\" is %lld, less than \"num_attention_heads\" %lld, and there is no "
                       "\"head_dim\"",
                       (long long)spec->hidden, (long long)spec->heads);
    }
    spec->head_dim = as_config_size_or(config, "head_dim",
                                       default_head ? default_head
                                       : plain > 0  ? plain
                                                    : 1,
                                       AS_MOST_HEAD_WIDTH);
}

void as_spec_even_heads(as_config *config, as_model_spec *spec, int64_t default_kv)
{
    as_spec_heads(config, spec, default_kv, 0);
    if (spec->head_dim * spec->heads != spec->hidden) {
        as_config_fail(
            config, AS_E_INPUT,
            "\"hidden_size\" is %lld, expected \"num_attention_heads\" %lld times \"head_dim\" %lld",
            (long long)spec->hidden, (long long)spec->heads, (long long)spec->head_dim);
    }
}

void as_spec_split_heads(as_config *config, as_model_spec *spec, int64_t default_kv)
{
    as_spec_heads(config, spec, default_kv, 1);
    spec->head_dim = spec->hidden / spec->heads;
    if (spec->head_dim > 0) return;
    as_config_fail(config, AS_E_INPUT, "\"hidden_size\" is %lld, less than \"num_attention_heads\" %lld",
                   (long long)spec->hidden, (long long)spec->heads);
    spec->head_dim = 1;
}

static const as_size_keys usual_keys = {"hidden_size", "num_hidden_layers", "num_attention_heads",
                                        "max_position_embeddings"};

/* The name under which the config gives a size: the family's, or the usual one. */
#define KEY(field) as_config_key(c, keys->field ? keys->field : usual_keys.field, usual_keys.field)

void as_spec_sizes_named(as_config *c, as_model_spec *spec, const as_size_keys *keys, int64_t default_context)
{
    spec->hidden = as_config_size(c, KEY(hidden), AS_MOST_WIDTH);
    spec->layer_count = as_config_size(c, KEY(layers), AS_MOST_LAYERS);
    spec->vocab = as_config_size(c, "vocab_size", AS_MOST_WIDTH * 4);
    spec->context = as_config_size_or(c, KEY(context), default_context, 1 << 30);
    spec->layers = AS_ARENA_NEW_ARRAY(&spec->arena, as_layer_spec, spec->layer_count);
    if (!spec->layers)
        as_config_fail(c, AS_E_MEMORY, "out of memory for %lld layers", (long long)spec->layer_count);
}

void as_spec_base_named(as_config *c, as_model_spec *spec, const as_size_keys *keys, int64_t default_context)
{
    as_spec_sizes_named(c, spec, keys, default_context);
    spec->heads = spec->kv_heads = as_config_size(c, KEY(heads), AS_MOST_HEADS);
    if (spec->hidden % spec->heads) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld, not a multiple of \"%s\" %lld", KEY(hidden),
                       (long long)spec->hidden, KEY(heads), (long long)spec->heads);
    }
    spec->head_dim = spec->hidden / spec->heads > 0 ? spec->hidden / spec->heads : 1;
}

void as_spec_refuse(as_config *config, const char *key)
{
    if (as_config_bool(config, key, false)) {
        as_config_fail(config, AS_E_UNSUPPORTED, "\"%s\" is true, which is not supported", key);
    }
}

void as_spec_expect(as_config *config, const char *key, const char *known, const char *other)
{
    const char *found = as_config_string(config, key, known);
    if (strcmp(found, known) == 0 || strcmp(found, other) == 0) return;
    as_config_fail(config, AS_E_UNSUPPORTED, "\"%s\" is \"%s\", expected %s", key, found, known);
}

int as_spec_plain_rope(as_config *config, as_model_spec *spec, as_rope_kind kind, int64_t rotary,
                       double theta)
{
    if (rotary < 2 || rotary % 2 || rotary > spec->head_dim) {
        as_config_fail(config, AS_E_INPUT, "\"head_dim\" is %lld, of which %lld cannot be rotated in pairs",
                       (long long)spec->head_dim, (long long)rotary);
    }
    AS_BUG(spec->rope_count == AS_MAX_ROPES);
    spec->ropes[spec->rope_count] = (as_rope_spec){.kind = kind,
                                                   .head_dim = spec->head_dim,
                                                   .rotary = rotary,
                                                   .dim = rotary,
                                                   .theta = theta,
                                                   .factor = 1,
                                                   .attention_factor = 1};
    return spec->rope_count++;
}

void as_spec_refuse_varying_rope(as_config *config, const as_model_spec *spec, int rope, const char *what)
{
    as_rope_scaling scaling = rope < 0 ? AS_ROPE_PLAIN : spec->ropes[rope].scaling;
    if (scaling != AS_ROPE_DYNAMIC && scaling != AS_ROPE_LONGROPE) return;
    as_config_fail(config, AS_E_UNSUPPORTED,
                   "rope scaling \"%s\" is not supported beside %s, whose rotation it would change with the "
                   "length",
                   scaling == AS_ROPE_DYNAMIC ? "dynamic" : "longrope", what);
}

void as_spec_learned_positions(as_model_spec *spec, int64_t offset)
{
    spec->positions = (as_position_spec){.present = true, .rows = spec->context + offset, .offset = offset};
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

as_query_growth as_spec_growth(as_config *config, const as_model_spec *spec, int rope, double unstated)
{
    as_query_growth growth = {.beta = unstated};
    if (rope < 0) return (as_query_growth){.beta = 0};
    as_config fields = *config;
    fields.root = as_config_rope_object(config);
    if (fields.root) {
        growth.beta = as_config_number_in(&fields, "llama_4_scaling_beta", 0, 0, 1e6);
    }
    fields.root = config->root;
    *config = fields;
    growth.length = (double)spec->ropes[rope].original_context;
    if (growth.length < 1) growth.beta = 0;
    return growth;
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

as_mlp_spec as_spec_plain_mlp(as_config *config, as_model_spec *spec, as_activation act, bool bias)
{
    as_mlp_spec mlp = as_spec_gated_mlp(config, spec, act, bias);
    mlp.gated = false;
    return mlp;
}

as_mlp_spec as_spec_sized_mlp(const as_model_spec *spec, as_activation act, bool bias)
{
    return (as_mlp_spec){.width = spec->intermediate,
                         .act = act,
                         .up_bias = bias,
                         .down_bias = bias,
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

as_step *as_spec_add_step(as_config *config, as_model_spec *spec, int64_t layer, const as_block *block,
                          const char *trace, const void *form)
{
    as_layer_spec *to = &spec->layers[layer];
    AS_BUG(to->step_count == AS_MAX_STEPS);
    void *copy = as_arena_calloc(&spec->arena, 1, block->form_size);
    if (copy) {
        memcpy(copy, form, block->form_size);
    } else {
        as_config_fail(config, AS_E_MEMORY, "out of memory for the layers");
    }
    as_step *step = &to->steps[to->step_count++];
    *step = (as_step){.block = block, .form = copy, .trace = trace};
    return step;
}

as_step *as_spec_add_mixer(as_config *config, as_model_spec *spec, int64_t layer, const as_block *block,
                           const void *form, as_norm_spec norm)
{
    as_step *step = as_spec_add_step(config, spec, layer, block, "mixer", form);
    step->in_norm = norm;
    step->in_norm.slot = AS_SLOT_NORM_1;
    return step;
}

as_step *as_spec_add_ffn(as_config *config, as_model_spec *spec, int64_t layer, const as_block *block,
                         const void *form, as_norm_spec norm)
{
    as_step *step = as_spec_add_step(config, spec, layer, block, "ffn", form);
    step->in_norm = norm;
    step->in_norm.slot = AS_SLOT_NORM_2;
    return step;
}

void as_spec_pre_norm_layer(as_config *config, as_model_spec *spec, int64_t layer,
                            const as_attention_spec *attention, const as_mlp_spec *mlp, as_norm_spec norm)
{
    as_spec_add_mixer(config, spec, layer, &as_block_attention, attention, norm);
    as_spec_add_ffn(config, spec, layer, &as_block_mlp, mlp, norm);
}

void as_spec_post_norm_layer(as_config *config, as_model_spec *spec, int64_t layer,
                             const as_attention_spec *attention, const as_mlp_spec *mlp, as_norm_spec norm)
{
    as_step *mixer = as_spec_add_step(config, spec, layer, &as_block_attention, "mixer", attention);
    mixer->out_norm = norm;
    mixer->out_norm.slot = AS_SLOT_NORM_1_POST;
    as_step *ffn = as_spec_add_step(config, spec, layer, &as_block_mlp, "ffn", mlp);
    ffn->out_norm = norm;
    ffn->out_norm.slot = AS_SLOT_NORM_2_POST;
}

void as_spec_normed_sums_layer(as_config *config, as_model_spec *spec, int64_t layer,
                               const as_attention_spec *attention, const as_mlp_spec *mlp, as_norm_spec norm)
{
    as_step *mixer = as_spec_add_step(config, spec, layer, &as_block_attention, "mixer", attention);
    mixer->stream_norm = norm;
    mixer->stream_norm.slot = AS_SLOT_NORM_1;
    as_step *ffn = as_spec_add_step(config, spec, layer, &as_block_mlp, "ffn", mlp);
    ffn->stream_norm = norm;
    ffn->stream_norm.slot = AS_SLOT_NORM_2;
}

void as_spec_parallel_layer(as_config *config, as_model_spec *spec, int64_t layer,
                            const as_attention_spec *attention, const as_mlp_spec *mlp, as_norm_spec norm)
{
    as_spec_add_mixer(config, spec, layer, &as_block_attention, attention, norm);
    as_step *ffn = as_spec_add_step(config, spec, layer, &as_block_mlp, "ffn", mlp);
    ffn->parallel = true;
    ffn->same_input = true;
}

void as_spec_finish(as_config *config, as_model_spec *spec, as_norm_spec final_norm, bool tied)
{
    spec->final_norm = final_norm;
    spec->final_norm.slot = AS_SLOT_FINAL_NORM;
    /* A model of several parts is loaded by the outer configuration, whose class ties by default, or by the
     * text part's alone. A head that the checkpoint holds and that differs counts either way. */
    if (config->outer != config->root) {
        as_config outer = *config;
        outer.root = config->outer;
        spec->tied_head = as_config_bool(&outer, "tie_word_embeddings", true) ||
                          as_config_bool(config, "tie_word_embeddings", false);
    } else {
        spec->tied_head = as_config_bool(config, "tie_word_embeddings", tied);
    }
    if (!spec->prefixes) spec->prefixes = as_llama_prefixes;
    if (!spec->ignored) spec->ignored = as_llama_ignored;
}

float as_spec_cap(as_config *config, const char *key, double otherwise)
{
    return json_is_null(json_object_get(config->root, key))
               ? 0
               : (float)as_config_number_in(config, key, otherwise, 0, 1e30);
}

int64_t as_spec_window(as_config *config, int64_t otherwise)
{
    if (json_is_null(json_object_get(config->root, "sliding_window"))) return 0;
    if (!as_config_has(config, "sliding_window")) return otherwise;
    return as_config_size(config, "sliding_window", 1 << 30);
}

bool as_spec_layer_slides(as_config *config, const as_model_spec *spec, int64_t layer, bool by_rule)
{
    const char *type = as_config_layer_type(config, layer, spec->layer_count);
    if (!type) return by_rule;
    if (strcmp(type, "sliding_attention") == 0) return true;
    if (strcmp(type, "full_attention") != 0 && strcmp(type, "attention") != 0) {
        as_config_fail(config, AS_E_UNSUPPORTED,
                       "\"layer_types\"[%lld] is \"%s\", expected full_attention or "
                       "sliding_attention",
                       (long long)layer, type);
    }
    return false;
}

bool as_spec_layer_is_indexed(as_config *config, const as_model_spec *spec, int64_t layer, bool by_rule)
{
    const char *type = as_config_layer_type(config, layer, spec->layer_count);
    if (!type) return by_rule;
    if (strcmp(type, "full_attention") == 0 || strcmp(type, "indexed_attention") == 0) return true;
    if (strcmp(type, "linear_attention") != 0) {
        as_config_fail(config, AS_E_UNSUPPORTED,
                       "\"layer_types\"[%lld] is \"%s\", expected indexed_attention or linear_attention",
                       (long long)layer, type);
    }
    return false;
}

int64_t as_spec_layer_window(as_config *config, const as_model_spec *spec, int64_t layer, bool by_rule,
                             int64_t window)
{
    return as_spec_layer_slides(config, spec, layer, by_rule) ? window : 0;
}

static const char *const llama_names[AS_SLOT_COUNT] = {
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
    [AS_SLOT_Q_DOWN] = "layers.%d.self_attn.q_a_proj",
    [AS_SLOT_Q_DOWN_NORM] = "layers.%d.self_attn.q_a_layernorm",
    [AS_SLOT_Q_UP] = "layers.%d.self_attn.q_b_proj",
    [AS_SLOT_KV_DOWN] = "layers.%d.self_attn.kv_a_proj_with_mqa",
    [AS_SLOT_KV_DOWN_NORM] = "layers.%d.self_attn.kv_a_layernorm",
    [AS_SLOT_KV_UP] = "layers.%d.self_attn.kv_b_proj",
    [AS_SLOT_INDEX_Q] = "layers.%d.self_attn.indexer.wq_b",
    [AS_SLOT_INDEX_K] = "layers.%d.self_attn.indexer.wk",
    [AS_SLOT_INDEX_K_NORM] = "layers.%d.self_attn.indexer.k_norm",
    [AS_SLOT_INDEX_WEIGHTS] = "layers.%d.self_attn.indexer.weights_proj",
    [AS_SLOT_GATE] = "layers.%d.mlp.gate_proj",
    [AS_SLOT_UP] = "layers.%d.mlp.up_proj",
    [AS_SLOT_DOWN] = "layers.%d.mlp.down_proj",
    [AS_SLOT_ROUTER] = "layers.%d.mlp.gate",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.gate.e_score_correction_bias",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.mlp.experts.%e.gate_proj|layers.%d.mlp.experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.mlp.experts.%e.up_proj|layers.%d.mlp.experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.mlp.experts.%e.down_proj|layers.%d.mlp.experts.down_proj!",
    [AS_SLOT_SHARED_GATE] = "layers.%d.mlp.shared_experts.gate_proj",
    [AS_SLOT_SHARED_UP] = "layers.%d.mlp.shared_experts.up_proj",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.mlp.shared_experts.down_proj",
};

const char *as_slot_pattern(const as_model_spec *spec, as_slot slot)
{
    const char *own = spec->names ? spec->names[slot] : NULL;
    return own ? own : llama_names[slot];
}

const char *const as_llama_prefixes[] = {"model.", "", NULL};

/* Buffers of older checkpoints. */
const char *const as_llama_ignored[] = {"*rotary_emb.inv_freq", NULL};

const bool *as_spec_rotating_layers(as_config *c, as_model_spec *spec)
{
    const json_t *list = json_object_get(c->root, "no_rope_layers");
    int64_t interval = as_config_size_or(c, "no_rope_layer_interval", 4, AS_MOST_LAYERS);
    bool *rotates = AS_ARENA_NEW_ARRAY(&spec->arena, bool, spec->layer_count);
    if (!rotates) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for \"no_rope_layers\"");
        return NULL;
    }
    bool given = list && !json_is_null(list);
    if (given && (int64_t)json_array_size(list) < spec->layer_count) {
        as_config_fail(c, AS_E_INPUT,
                       "\"no_rope_layers\" must be a list of one number for each of %lld layers",
                       (long long)spec->layer_count);
    }
    for (int64_t i = 0; i < spec->layer_count; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        rotates[i] = given ? json_is_true(item) || json_integer_value(item) != 0 : (i + 1) % interval != 0;
    }
    return rotates;
}
