/* OPT, BioGPT and XGLM, which share fairseq's decoder: Zhang et al. 2022, Luo et al. 2022, Lin et al. 2021;
 * transformers models/opt, models/biogpt, models/xglm. Positions begin at row 2 of their table, learned or
 * sinusoidal. OPT-350m has its norms behind the sums, none at the end, and a narrower embedding between
 * projections. BioGPT's norms have fairseq's epsilon of 1e-5, whatever its layer_norm_eps says. */
#include <math.h>

#include "engine/arch/arch.h"

enum { OFFSET = 2 };

static const char *const opt_names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens",
    [AS_SLOT_POSITIONS] = "embed_positions",
    [AS_SLOT_EMBED_IN] = "project_in",
    [AS_SLOT_EMBED_OUT] = "project_out",
    [AS_SLOT_FINAL_NORM] = "final_layer_norm",
    [AS_SLOT_NORM_1] = "layers.%d.self_attn_layer_norm",
    [AS_SLOT_NORM_2] = "layers.%d.final_layer_norm",
    [AS_SLOT_O] = "layers.%d.self_attn.out_proj",
    [AS_SLOT_UP] = "layers.%d.fc1",
    [AS_SLOT_DOWN] = "layers.%d.fc2",
};

static const char *const other_names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens",
    [AS_SLOT_POSITIONS] = "embed_positions",
    [AS_SLOT_HEAD] = "^output_projection|^lm_head",
    [AS_SLOT_FINAL_NORM] = "layer_norm",
    [AS_SLOT_NORM_1] = "layers.%d.self_attn_layer_norm",
    [AS_SLOT_NORM_2] = "layers.%d.final_layer_norm",
    [AS_SLOT_O] = "layers.%d.self_attn.out_proj",
    [AS_SLOT_UP] = "layers.%d.fc1",
    [AS_SLOT_DOWN] = "layers.%d.fc2",
};

static const char *const opt_prefixes[] = {"model.decoder.", "decoder.", "model.", "", NULL};
static const char *const biogpt_prefixes[] = {"biogpt.", "", NULL};

/* XGLM's cross-attention, if it has one, rests where there is no encoder. */
static const char *const ignored[] = {
    "*embed_positions.weights", "*embed_positions._float_tensor", "*decoder.version",
    "*.encoder_attn.*",         "*.encoder_attn_layer_norm.*",    NULL};

/* A layer with its norms before the blocks, or behind the sums. */
static void add_layers(as_config *c, as_model_spec *spec, bool before, const as_attention_spec *attention,
                       const as_mlp_spec *mlp, as_norm_spec norm)
{
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (before) {
            as_spec_pre_norm_layer(c, spec, i, attention, mlp, norm);
            continue;
        }
        as_spec_normed_sums_layer(c, spec, i, attention, mlp, norm);
    }
    spec->ignored = ignored;
}

static void describe_opt(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &(as_size_keys){0}, 2048);
    spec->intermediate =
        as_config_size_or(c, as_config_key(c, "ffn_dim", "intermediate_size"), 3072, AS_MOST_WIDTH);
    bool bias = as_config_bool(c, "enable_bias", true),
         before = as_config_bool(c, "do_layer_norm_before", true);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, 1e-5);
    if (!as_config_bool(c, "layer_norm_elementwise_affine", true)) {
        norm.weightless = true;
        norm.has_bias = false;
    }
    as_attention_spec attention = as_spec_attention(spec, -1, bias, bias);
    as_mlp_spec mlp = as_spec_sized_mlp(spec, as_config_activation(c, "activation_function", "relu"), bias);
    add_layers(c, spec, before, &attention, &mlp, norm);
    int64_t width = as_config_size_or(c, "word_embed_proj_dim", spec->hidden, AS_MOST_WIDTH);
    if (width != spec->hidden) spec->embed_width = width;
    as_spec_learned_positions(spec, OFFSET);
    spec->names = opt_names;
    spec->prefixes = opt_prefixes;
    norm.present = before && !as_config_bool(c, "_remove_final_layer_norm", false);
    as_spec_finish(c, spec, norm, true);
}

static void describe_biogpt(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &(as_size_keys){0}, 1024);
    spec->intermediate = as_config_size_or(c, "intermediate_size", 4096, AS_MOST_WIDTH);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, 1e-5);
    as_attention_spec attention = as_spec_attention(spec, -1, true, true);
    as_mlp_spec mlp = as_spec_sized_mlp(spec, as_config_activation(c, "hidden_act", "gelu"), true);
    add_layers(c, spec, true, &attention, &mlp, norm);
    if (as_config_bool(c, "scale_embedding", true)) spec->embed_scale = sqrtf((float)spec->hidden);
    as_spec_learned_positions(spec, OFFSET);
    spec->names = other_names;
    spec->prefixes = biogpt_prefixes;
    as_spec_finish(c, spec, norm, true);
}

/* Tensor2tensor's sinusoids: all sines, then all cosines; a last odd element is zero. In float32 like the
 * table of the published model. */
static void fill_sinusoids(int64_t position, int64_t width, float *out)
{
    int64_t half = width / 2;
    float step = (float)-(log(10000) / (double)(half - 1));
    for (int64_t i = 0; i < half; i++) {
        float angle = (float)position * expf((float)i * step);
        out[i] = sinf(angle);
        out[half + i] = cosf(angle);
    }
    if (width % 2) out[width - 1] = 0;
}

static void describe_xglm(as_config *c, as_model_spec *spec)
{
    static const as_size_keys keys = {
        .hidden = "d_model", .layers = "num_layers", .heads = "attention_heads"};
    as_spec_base_named(c, spec, &keys, 2048);
    spec->intermediate =
        as_config_size_or(c, as_config_key(c, "ffn_dim", "intermediate_size"), 4096, AS_MOST_WIDTH);
    if (spec->hidden < 4) {
        as_config_fail(c, AS_E_INPUT, "\"d_model\" is %lld, too few for sinusoids", (long long)spec->hidden);
    }
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, 1e-5);
    as_attention_spec attention = as_spec_attention(spec, -1, true, true);
    as_mlp_spec mlp = as_spec_sized_mlp(spec, as_config_activation(c, "activation_function", "gelu"), true);
    add_layers(c, spec, true, &attention, &mlp, norm);
    if (as_config_bool(c, "scale_embedding", true)) spec->embed_scale = sqrtf((float)spec->hidden);
    /* fairseq blanks the padding token's position, which is never reached at its usual 1. */
    int64_t blank =
        json_is_null(json_object_get(c->root, "pad_token_id")) ? 0 : as_config_int(c, "pad_token_id", 1);
    spec->positions = (as_position_spec){
        .present = true, .offset = OFFSET, .blank = blank > 0 ? blank : 0, .fill = fill_sinusoids};
    spec->names = other_names;
    as_spec_finish(c, spec, norm, true);
    spec->ignored = ignored;
}

const as_family as_family_opt = {.architectures = {"OPTForCausalLM"}, .describe = describe_opt};
const as_family as_family_biogpt = {.architectures = {"BioGptForCausalLM"}, .describe = describe_biogpt};
const as_family as_family_xglm = {.architectures = {"XGLMForCausalLM"}, .describe = describe_xglm};
