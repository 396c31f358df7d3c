/* Tensors stored otherwise than on the hub: the spec follows the file, so that weights stay mapped as they
 * are. The words are those of engine/arch/gguf.c. */
#include <string.h>

#include "engine/arch/arch.h"
#include "engine/blocks/attention.h"
#include "engine/blocks/mamba.h"

/* Forms belong to the spec's arena; only this file changes them after they are made. */
static as_attention_spec *attention_of(const as_step *step)
{
    return step->block == &as_block_attention ? (as_attention_spec *)step->form : NULL;
}

static void pair_heads(as_model_spec *spec, as_step *step)
{
    (void)step;
    for (int i = 0; i < spec->rope_count; i++) spec->ropes[i].paired_heads = true;
}

static void fold_norms(as_model_spec *spec, as_step *step)
{
    as_norm_spec *norms[] = {&spec->final_norm, &spec->embed_norm, &step->in_norm, &step->out_norm,
                             &step->stream_norm};
    for (size_t i = 0; i < sizeof norms / sizeof norms[0]; i++) norms[i]->weight_offset = 0;
    as_attention_spec *attention = attention_of(step);
    if (attention) attention->q_norm.weight_offset = attention->k_norm.weight_offset = 0;
}

static void lay_out_rows(as_model_spec *spec, as_step *step)
{
    (void)spec;
    as_attention_spec *attention = attention_of(step);
    if (attention && attention->layout == AS_QKV_PER_KV_HEAD) attention->layout = AS_QKV_ROWS;
}

static void hold_a(as_model_spec *spec, as_step *step)
{
    (void)spec;
    if (step->block == &as_block_mamba) ((as_mamba_spec *)step->form)->holds_a = true;
}

static void have_plain_matrices(as_model_spec *spec, as_step *step)
{
    (void)step;
    spec->plain_matrices = true;
}

static const struct {
    const char *word;
    void (*apply)(as_model_spec *spec, as_step *step);
} ways[] = {
    {"paired_heads", pair_heads},
    {"norms_folded", fold_norms},
    {"qkv_rows", lay_out_rows},
    {"ssm_a", hold_a},
    {"plain_matrices", have_plain_matrices},
};

void as_spec_apply_stored(const json_t *root, as_model_spec *spec)
{
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(root, "stored"), i, item)
    {
        const char *word = json_string_value(item);
        for (size_t w = 0; word && w < sizeof ways / sizeof ways[0]; w++) {
            if (strcmp(word, ways[w].word) != 0) continue;
            for (int64_t layer = 0; layer < spec->layer_count; layer++) {
                as_layer_spec *at = &spec->layers[layer];
                for (int s = 0; s < at->step_count; s++) ways[w].apply(spec, &at->steps[s]);
            }
        }
    }
}
