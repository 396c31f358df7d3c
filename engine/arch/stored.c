/* Checkpoints that are GGUF files: the spec follows them in the names of tensors and in how they are stored,
 * so that weights stay mapped as they are. See engine/arch/gguf.h. */
#include <math.h>
#include <string.h>

#include "engine/arch/arch.h"
#include "engine/arch/gguf.h"
#include "engine/blocks/delta.h"
#include "engine/blocks/mamba.h"
#include "engine/blocks/mamba2.h"
#include "engine/blocks/rwkv6.h"

static void name_slots(as_config *config, const as_gguf_family *family, as_model_spec *spec)
{
    const char **names = AS_ARENA_NEW_ARRAY(&spec->arena, const char *, AS_SLOT_COUNT);
    if (!names) {
        as_config_fail(config, AS_E_MEMORY, "out of memory for names");
        return;
    }
    for (int i = 0; i < AS_SLOT_COUNT; i++) {
        names[i] = as_gguf_slots[i] ? as_gguf_slots[i] : as_slot_pattern(spec, (as_slot)i);
    }
    for (const as_gguf_slot *at = family->slots; at && at->pattern; at++) names[at->slot] = at->pattern;
    spec->names = names;
}

/* Layers that predict further tokens, keys and values of layers that read those of others, and what older
 * converters left. */
static void ignore_leftovers(as_config *config, const json_t *root, as_model_spec *spec)
{
    static const char *const unused[] = {"blk.%lld.attn_k.*", "blk.%lld.attn_v.*", "blk.%lld.attn_k_norm.*"};
    json_int_t further = json_integer_value(json_object_get(root, "num_nextn_predict_layers"));
    json_int_t shared = json_integer_value(json_object_get(root, "num_kv_shared_layers"));
    if (further < 0 || further > AS_MOST_LAYERS) further = 0;
    if (shared < 0 || shared > spec->layer_count) shared = 0;
    spec->ignored = as_gguf_leftovers;
    as_spec_ignore_numbered(config, spec, "blk.%lld.*", spec->layer_count, further);
    for (size_t i = 0; shared && i < sizeof unused / sizeof unused[0]; i++) {
        as_spec_ignore_numbered(config, spec, unused[i], spec->layer_count - shared, shared);
    }
}

/* Forms belong to the spec's arena; only this file changes them after they are made. */
static void follow_attention(const as_gguf_family *family, as_step *step)
{
    bool by_rows = !(family->form & AS_GGUF_HUB_QKV), folded = family->form & AS_GGUF_NORMS_FOLDED;
    as_attention_spec *attention = (as_attention_spec *)step->form;
    if (by_rows && attention->gate != AS_ATTENTION_GATE_IN_Q) attention->layout = AS_QKV_EITHER;
    if (folded) attention->q_norm.weight_offset = attention->k_norm.weight_offset = 0;
    attention->paired_norms = family->form & AS_GGUF_PAIRED_NORMS;
    if (family->form & AS_GGUF_WEIGHTED_HEADS) {
        attention->q_norm.weightless = attention->k_norm.weightless = false;
    }
}

static void follow_delta(as_delta_spec *delta)
{
    delta->holds_a = true;
    delta->tiled = delta->layout == AS_DELTA_QKV;
    if (delta->layout == AS_DELTA_PER_KEY_HEAD) delta->layout = AS_DELTA_QKV_EITHER;
}

/* One order of the mixes, whatever the hub's. */
static void follow_rwkv6(as_rwkv6_spec *mixer)
{
    static const as_mix_part order[AS_MIX_PARTS] = {AS_MIX_W, AS_MIX_K, AS_MIX_V, AS_MIX_R, AS_MIX_G};
    memcpy(mixer->order, order, sizeof order);
}

static void follow_step(const as_gguf_family *family, as_step *step)
{
    bool folded = family->form & AS_GGUF_NORMS_FOLDED;
    as_norm_spec *norms[] = {&step->in_norm, &step->out_norm, &step->stream_norm};
    for (size_t i = 0; folded && i < sizeof norms / sizeof norms[0]; i++) norms[i]->weight_offset = 0;
    if (step->block == &as_block_attention) follow_attention(family, step);
    if (step->block == &as_block_mamba) ((as_mamba_spec *)step->form)->holds_a = true;
    if (step->block == &as_block_mamba2) ((as_mamba2_spec *)step->form)->holds_a = true;
    if (step->block == &as_block_delta) follow_delta((as_delta_spec *)step->form);
    if (step->block == &as_block_rwkv6) follow_rwkv6((as_rwkv6_spec *)step->form);
}

/* Matrices that write to the stream were halved every so many layers, for a stream that is halved there too.
 */
static void follow_rescaling(const json_t *root, as_model_spec *spec)
{
    json_int_t every = json_integer_value(json_object_get(root, "rescale_every"));
    for (int64_t i = every; every > 0 && i < spec->layer_count; i++) {
        as_layer_spec *layer = &spec->layers[i];
        float factor = (float)ldexp(1, (int)(i / every < 100 ? i / every : 100));
        for (int s = 0; s < layer->step_count; s++) layer->steps[s].residual_scale = factor;
    }
}

/* Blocks of the slow stack are counted behind those of the fast one. */
static void follow_stacks(const json_t *root, as_model_spec *spec)
{
    json_int_t stack = json_integer_value(json_object_get(root, "num_layers_per_stack"));
    for (int64_t i = 0; stack > 0 && i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) {
            as_step *step = &spec->layers[i].steps[s];
            if (step->stem && strcmp(step->stem, "H_module") == 0) step->part += (int)stack;
        }
    }
}

void as_spec_follow_gguf(as_config *config, const json_t *root, as_model_spec *spec)
{
    const char *name = json_string_value(json_object_get(root, "gguf"));
    const as_gguf_family *family = name ? as_gguf_family_named(name, strlen(name)) : NULL;
    if (!family) return;
    name_slots(config, family, spec);
    ignore_leftovers(config, root, spec);
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) follow_step(family, &spec->layers[i].steps[s]);
    }
    follow_rescaling(root, spec);
    follow_stacks(root, spec);
    if (family->form & AS_GGUF_NORMS_FOLDED) {
        spec->final_norm.weight_offset = spec->embed_norm.weight_offset = 0;
    }
    for (int i = 0; i < spec->rope_count; i++) {
        spec->ropes[i].paired_heads = family->form & AS_GGUF_PAIRED_HEADS;
    }
}
