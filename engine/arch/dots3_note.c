/* Dots 3 Note (Xiaohongshu 2026), its text part: transformers models/dots3_note. Latent attention in layers
 * of two sizes, some of which see a window, the others all keys or those that an index picks; latents
 * rescaled by the root of how much narrower they are, the rotated key normalised, a gate for each head;
 * experts beside shared ones of another width. Images and sound, and what encodes them, are left out. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/arch/deepseek.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_HEAD] = "^lm_head|^language_model.lm_head",
    [AS_SLOT_K_NORM] = "layers.%d.self_attn.k_rope_only_layernorm",
    [AS_SLOT_ATTENTION_GATE] = "layers.%d.self_attn.g_proj",
};

static const char *const prefixes[] = {"model.", "", "model.language_model.", "language_model.model.", NULL};

static const char *const ignored[] = {"*rotary_emb.*inv_freq",
                                      "*vision_tower.*",
                                      "*audio_tower.*",
                                      "*vision_encoder.*",
                                      "*audio_encoder.*",
                                      "*audio_adapter.*",
                                      NULL};

typedef enum { SLIDING, FULL, INDEXED } layer_kind;

static const char *const kind_names[] = {"sliding_attention", "full_attention", "indexed_attention"};

/* use_dsa turns full layers into indexed ones, or, false, back; unstated beside per_layer_config it leaves
 * them. */
static layer_kind kind_of(as_config *c, const as_model_spec *spec, int64_t layer)
{
    bool stated = as_config_has(c, "use_dsa"), left = !stated && as_config_has(c, "per_layer_config");
    layer_kind all = as_config_bool(c, "use_dsa", true) ? INDEXED : FULL;
    const char *type = as_config_layer_type(c, layer, spec->layer_count);
    if (!type) {
        bool slides = layer >= 2 && layer % 4 != 1 && as_config_bool(c, "use_sliding_window", true);
        return slides ? SLIDING : left ? INDEXED : all;
    }
    for (int k = SLIDING; k <= INDEXED; k++) {
        if (strcmp(type, kind_names[k]) == 0) return k == SLIDING || left ? (layer_kind)k : all;
    }
    as_config_fail(c, AS_E_UNSUPPORTED, "\"layer_types\"[%lld] is \"%s\", expected %s, %s or %s",
                   (long long)layer, type, kind_names[0], kind_names[1], kind_names[2]);
    return FULL;
}

/* The fields as the layer has them: per_layer_config's own, or else those of sliding layers (swa_*). */
static json_t *layer_fields(as_config *c, int64_t layer, layer_kind kind)
{
    static const struct {
        const char *key;
        int64_t otherwise;
    } sliding[] = {{"num_attention_heads", 64}, {"q_lora_rank", 1024},     {"kv_lora_rank", 1024},
                   {"head_dim", 256},           {"qk_nope_head_dim", 192}, {"v_head_dim", 128}};
    json_t *fields = json_deep_copy(c->root), *own = json_object_get(c->root, "per_layer_config");
    char key[64];
    if (json_is_object(own)) {
        snprintf(key, sizeof key, "%lld", (long long)layer);
        json_t *here = json_object_get(own, key);
        if (json_is_object(here)) json_object_update(fields, here);
        return fields;
    }
    if (kind != SLIDING) return fields;
    for (size_t i = 0; i < sizeof sliding / sizeof sliding[0]; i++) {
        snprintf(key, sizeof key, "swa_%s", sliding[i].key);
        json_object_set_new(fields, sliding[i].key,
                            json_integer(as_config_int(c, key, sliding[i].otherwise)));
    }
    int64_t rest = as_config_int(c, "swa_head_dim", 256) - as_config_int(c, "swa_qk_nope_head_dim", 192);
    json_object_set_new(fields, "qk_rope_head_dim",
                        json_integer(as_config_int(c, "swa_qk_rope_head_dim", rest)));
    return fields;
}

/* The rotation of a kind of layer: rope_parameters are of each kind, or of all; without any, sliding layers
 * have a base of their own. */
static int read_rope(as_config *c, as_model_spec *spec, int64_t rotary, layer_kind kind)
{
    json_t *stated = json_object_get(c->root, "rope_parameters");
    if (!json_object_size(stated)) stated = json_object_get(c->root, "rope_scaling");
    bool none = json_object_size(stated) == 0, own = none && kind == SLIDING;
    const json_t *nested = json_object_get(stated, kind_names[kind]);
    json_t *here = json_is_object(nested) ? json_deep_copy(nested) : none ? json_object() : json_copy(stated);
    json_object_del(here, "partial_rotary_factor"); /* the rotated part is all that turns */
    double theta =
        own ? as_config_number(c, "swa_rope_theta", 50000) : as_config_number(c, "rope_theta", 8e7);
    as_config fields = *c;
    json_t *root = json_pack("{s:{s:o}}", "rope_parameters", kind_names[kind], here);
    fields.root = root;
    as_rope_defaults d = {
        .kind = AS_ROPE_INTERLEAVED, .head_dim = rotary, .theta = theta, .layer_type = kind_names[kind]};
    int rope = as_config_rope(&fields, &d, spec);
    fields.root = c->root;
    *c = fields;
    json_decref(root);
    return rope;
}

static void read_index(as_config *c, as_model_spec *spec, as_mla_spec *m)
{
    m->index = AS_INDEX_OWN;
    m->index_heads = as_config_size_or(c, "index_n_heads", 64, AS_MOST_INDEX_HEADS);
    m->index_width = as_config_size_or(c, "index_head_dim", 128, AS_MOST_INDEX_WIDTH);
    m->index_top = as_config_size_or(c, "index_topk", 2048, AS_MOST_INDEX_KEYS);
    m->index_norm = as_spec_layer_norm(AS_SLOT_INDEX_K_NORM, 1e-6);
    m->index_rope = m->rope_table;
    if (m->index_width < m->rope) {
        as_config_fail(c, AS_E_INPUT, "\"index_head_dim\" is %lld, less than \"qk_rope_head_dim\" %lld",
                       (long long)m->index_width, (long long)m->rope);
    }
    if (spec->carried < m->index_top) spec->carried = m->index_top;
}

static as_mla_spec read_attention(as_config *c, as_model_spec *spec, layer_kind kind, double eps)
{
    static const as_mla_defaults d = {
        .q_rank = 1024, .kv_rank = 512, .nope = 128, .rope = 64, .v_width = 128};
    as_mla_spec m = as_spec_mla(c, spec, &d);
    if (m.q_rank == 0) {
        as_config_fail(c, AS_E_INPUT, "\"q_lora_rank\" is null, which the attention cannot do without");
        m.q_rank = 1;
    }
    if (m.rope % 2) {
        as_config_fail(c, AS_E_INPUT, "\"qk_rope_head_dim\" is %lld, which is odd: it turns in pairs",
                       (long long)m.rope);
    }
    m.rope_table = read_rope(c, spec, m.rope, kind);
    m.q_norm.eps = m.kv_norm.eps = (float)eps;
    m.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 0);
    m.q_scale = (float)sqrt((double)spec->hidden / (double)m.q_rank);
    m.kv_scale = (float)sqrt((double)spec->hidden / (double)m.kv_rank);
    m.out_gate = AS_ATTENTION_GATE_HEADS;
    if (kind == INDEXED) read_index(c, spec, &m);
    if (kind == SLIDING) {
        int64_t other = as_config_size_or(c, "sliding_window_size", 512, 1 << 30);
        m.window = as_config_size_or(c, "sliding_window", other, 1 << 30);
    }
    return m;
}

static const as_deepseek_defaults defaults = {.first_dense = 1,
                                              .listed = true,
                                              .by_frequency = true,
                                              .experts = 256,
                                              .top_k = 8,
                                              .shared = 1,
                                              .width = 1536,
                                              .scale = 1,
                                              .groups = 1,
                                              .group_top = 1,
                                              .normalise = true,
                                              .route = AS_ROUTE_SIGMOID};

static as_moe_spec read_experts(as_config *c)
{
    const char *key =
        as_config_key(c, "moe_shared_expert_intermediate_size", "shared_experts_intermediate_size");
    as_moe_spec moe = as_deepseek_experts(c, &defaults);
    int64_t count = moe.shared.width / moe.width;
    if (count < 1) as_config_fail(c, AS_E_INPUT, "\"n_shared_experts\" must be 1 at least");
    moe.shared.width = count * as_config_size_or(c, key, 1536, AS_MOST_WIDTH / AS_MOST_EXPERTS);
    return moe;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 524288);
    if (c->rc != AS_OK) return;
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_config experts = *c; /* what is wrong with them matters where a layer has some */
    as_moe_spec moe = read_experts(&experts);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        layer_kind kind = kind_of(c, spec, i);
        as_config here = *c;
        json_t *fields = layer_fields(c, i, kind);
        here.root = fields;
        as_mla_spec attention = read_attention(&here, spec, kind, eps);
        as_config_return(c, &here);
        json_decref(fields);
        as_spec_add_mixer(c, spec, i, &as_block_mla, &attention, norm);
        if (as_deepseek_layer_is_dense(c, spec, i, &defaults)) {
            as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        } else {
            as_config_return(c, &experts);
            as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
        }
    }
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_ignore_next_token_layers(c, spec);
    as_spec_finish(c, spec, norm, false);
    spec->tied_head = as_config_bool(c, "tie_word_embeddings", false);
}

const as_family as_family_dots3_note = {
    .architectures = {"Dots3NoteForCausalLM", "Dots3NoteForConditionalGeneration"},
    .nested = "text_config",
    .describe = describe,
};
