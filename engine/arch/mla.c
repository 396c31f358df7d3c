/* What the families with latent attention share; see arch.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/arch/arch.h"

enum { MOST_RANK = 4096 };

/* A width that may be null for none: an absent one is `otherwise`. */
static int64_t rank_or_none(as_config *config, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(config->root, key);
    if (json_is_null(value) || (!value && otherwise == 0)) return 0;
    return as_config_size_or(config, key, otherwise, AS_MOST_WIDTH);
}

/* 1/sqrt(width of a query), times the square of YaRN's growth of the logits where the config asks for it. */
static float softmax_scale(const as_mla_spec *m, const as_rope_spec *rope)
{
    double scale = 1 / sqrt((double)(m->nope + m->rope));
    if (!rope || rope->scaling == AS_ROPE_PLAIN || rope->mscale_all_dim == 0 || rope->factor <= 1) {
        return (float)scale;
    }
    double grown = 0.1 * rope->mscale_all_dim * log(rope->factor) + 1;
    return (float)(scale * grown * grown);
}

static int read_rope(as_config *config, as_model_spec *spec, const as_mla_spec *m,
                     const as_mla_defaults *defaults)
{
    if (defaults->theta == 0) return -1;
    if (m->rope % 2) {
        as_config_fail(config, AS_E_INPUT, "\"qk_rope_head_dim\" is %lld, which is odd: it turns in pairs",
                       (long long)m->rope);
    }
    as_rope_defaults rope = {.kind = defaults->kind,
                             .head_dim = m->rope,
                             .theta = defaults->theta,
                             .unnamed_context = defaults->unnamed_context,
                             .parameters = defaults->parameters};
    if (defaults->kind_by_config && !as_config_bool(config, "rope_interleave", true)) {
        rope.kind = AS_ROPE_HALF;
    }
    return as_config_rope(config, &rope, spec);
}

as_mla_spec as_spec_mla(as_config *config, as_model_spec *spec, const as_mla_defaults *defaults)
{
    spec->heads = spec->kv_heads = as_config_size(config, "num_attention_heads", AS_MOST_HEADS);
    int64_t plain = spec->hidden / spec->heads > 0 ? spec->hidden / spec->heads : 1;
    const char *rope = "qk_rope_head_dim";
    if (defaults->rope_key) rope = as_config_key(config, defaults->rope_key, rope);
    as_mla_spec m = {
        .heads = spec->heads,
        .q_rank = rank_or_none(config, "q_lora_rank", defaults->q_rank),
        .kv_rank = as_config_size_or(config, "kv_lora_rank", defaults->kv_rank, MOST_RANK),
        .nope = as_config_size_or(config, "qk_nope_head_dim", defaults->nope, AS_MOST_HEAD_ROWS),
        .rope = as_config_size_or(config, rope, defaults->rope, MOST_RANK / 4),
        .v_width = as_config_size_or(config, "v_head_dim", defaults->v_width ? defaults->v_width : plain,
                                     AS_MOST_HEAD_ROWS),
        .bias = as_config_bool(config, "attention_bias", false),
        /* Their epsilon is the norm's default, whatever rms_norm_eps says. */
        .q_norm = as_spec_rms(AS_SLOT_Q_DOWN_NORM, 1e-6, 0),
        .kv_norm = as_spec_rms(AS_SLOT_KV_DOWN_NORM, 1e-6, 0),
    };
    spec->head_dim = m.nope + m.rope;
    m.rope_table = read_rope(config, spec, &m, defaults);
    m.scale = softmax_scale(&m, m.rope_table < 0 ? NULL : &spec->ropes[m.rope_table]);
    return m;
}

void as_spec_ignore_numbered(as_config *config, as_model_spec *spec, const char *format, int64_t first,
                             int64_t count)
{
    const char *const *before = spec->ignored ? spec->ignored : as_llama_ignored;
    int64_t had = 0;
    while (before[had]) had++;
    const char **list = AS_ARENA_NEW_ARRAY(&spec->arena, const char *, had + count + 1);
    for (int64_t i = 0; list && i < had; i++) list[i] = before[i];
    for (int64_t i = 0; list && i < count; i++) {
        char name[128];
        snprintf(name, sizeof name, format, (long long)(first + i));
        list[had + i] = as_arena_strdup(&spec->arena, name);
        if (!list[had + i]) list = NULL;
    }
    if (!list) {
        as_config_fail(config, AS_E_MEMORY, "out of memory for names");
        return;
    }
    spec->ignored = list;
}

void as_spec_ignore_next_token_layers(as_config *config, as_model_spec *spec)
{
    const char *key = as_config_key(config, "num_nextn_predict_layers", "num_mtp_layers");
    int64_t count = as_config_int(config, key, 1);
    if (count < 0 || count > AS_MOST_LAYERS) {
        as_config_fail(config, AS_E_INPUT, "\"%s\" is %lld, expected 0 to %d", key, (long long)count,
                       AS_MOST_LAYERS);
        return;
    }
    as_spec_ignore_numbered(config, spec, "*layers.%lld.*", spec->layer_count, count);
}
