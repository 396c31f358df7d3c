/* The decoders of BART (Lewis et al. 2020) and its kin, used alone, without an encoder's states: transformers
 * models/bart, mbart, plbart, mvp, marian, pegasus, blenderbot, blenderbot_small, bigbird_pegasus, whisper.
 * What they differ in is a row of a table. Attention to an encoder, whose tensors a checkpoint may hold,
 * rests. */
#include <math.h>
#include <string.h>

#include "engine/arch/arch.h"

typedef enum {
    EMBED_NORM_NONE,
    EMBED_NORM_AFTER,  /* behind the sum with the positions */
    EMBED_NORM_BEFORE, /* of the tokens' rows alone */
} embed_norm;

/* What a decoder has. */
enum {
    NORM_BEFORE = 1,  /* the blocks; a last norm too. Else norms stand behind the sums */
    UNSCALED = 2,     /* scale_embedding means nothing */
    SCALED = 4,       /* it is on where it is absent */
    BARE_KEYS = 8,    /* without a bias */
    SINUSOIDS = 16,   /* positions are computed where the checkpoint has no table */
    BIAS_BY_USE = 32, /* use_bias says whether the attention has biases; else it has */
};

typedef struct decoder {
    const char *architecture;
    int64_t ffn, context; /* where the configuration says nothing */
    const char *act, *context_key;
    int64_t offset; /* of the first position in the table */
    embed_norm embed_norm;
    int has;
} decoder;

#define CONTEXT "max_position_embeddings"

static const decoder decoders[] = {
    {"BartForCausalLM", 4096, 1024, "gelu", CONTEXT, 2, EMBED_NORM_AFTER, 0},
    {"MBartForCausalLM", 4096, 1024, "gelu", CONTEXT, 2, EMBED_NORM_AFTER, NORM_BEFORE},
    {"PLBartForCausalLM", 3072, 1024, "gelu", CONTEXT, 2, EMBED_NORM_AFTER, SCALED},
    {"MvpForCausalLM", 4096, 1024, "gelu", CONTEXT, 2, EMBED_NORM_AFTER, 0},
    {"MarianForCausalLM", 4096, 1024, "gelu", CONTEXT, 0, EMBED_NORM_NONE, SINUSOIDS},
    {"PegasusForCausalLM", 4096, 1024, "gelu", CONTEXT, 0, EMBED_NORM_NONE, NORM_BEFORE | SINUSOIDS},
    {"BlenderbotForCausalLM", 10240, 128, "gelu", CONTEXT, 0, EMBED_NORM_NONE, NORM_BEFORE},
    {"BlenderbotSmallForCausalLM", 2048, 512, "gelu", CONTEXT, 0, EMBED_NORM_BEFORE, UNSCALED},
    {"BigBirdPegasusForCausalLM", 4096, 4096, "gelu_new", CONTEXT, 0, EMBED_NORM_NONE,
     NORM_BEFORE | SCALED | BIAS_BY_USE},
    {"WhisperForCausalLM", 1536, 448, "gelu", "max_target_positions", 0, EMBED_NORM_NONE,
     NORM_BEFORE | UNSCALED | BARE_KEYS},
};

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens|^model.shared|^shared",
    [AS_SLOT_POSITIONS] = "embed_positions",
    [AS_SLOT_HEAD] = "^lm_head|^proj_out",
    [AS_SLOT_EMBED_NORM] = "layernorm_embedding",
    [AS_SLOT_FINAL_NORM] = "layer_norm|layernorm_embedding",
    [AS_SLOT_NORM_1] = "layers.%d.self_attn_layer_norm",
    [AS_SLOT_NORM_2] = "layers.%d.final_layer_norm",
    [AS_SLOT_O] = "layers.%d.self_attn.out_proj",
    [AS_SLOT_UP] = "layers.%d.fc1",
    [AS_SLOT_DOWN] = "layers.%d.fc2",
};
static const char *const prefixes[] = {"model.decoder.", "decoder.", NULL};
static const char *const ignored[] = {"*.encoder_attn.*",
                                      "*.encoder_attn_layer_norm.*",
                                      "*final_logits_bias",
                                      "model.encoder.*",
                                      "encoder.*",
                                      "*shared.weight",
                                      NULL};

static const decoder *find_decoder(const char *architecture)
{
    for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++) {
        if (strcmp(architecture, decoders[i].architecture) == 0) return &decoders[i];
    }
    AS_BUG(true); /* the registry knows it from here */
    return NULL;
}

/* Sizes of the decoder; the encoder's have names of their own. */
static void read_sizes(as_config *c, as_model_spec *spec, const decoder *d)
{
    as_size_keys keys = {.hidden = "d_model",
                         .layers = "decoder_layers",
                         .heads = "decoder_attention_heads",
                         .context = d->context_key};
    as_spec_base_named(c, spec, &keys, d->context);
    spec->intermediate = as_config_size_or(c, "decoder_ffn_dim", d->ffn, AS_MOST_WIDTH);
}

/* Sines of the even frequencies, then cosines. */
static void fill_sinusoids(int64_t position, int64_t width, float *out)
{
    int64_t sines = (width + 1) / 2;
    for (int64_t i = 0; i < width; i++) {
        int64_t pair = i < sines ? i : i - sines;
        double angle = (double)position / pow(10000, (double)(2 * pair) / (double)width);
        out[i] = (float)(i < sines ? sin(angle) : cos(angle));
    }
}

static void describe(as_config *c, as_model_spec *spec)
{
    const decoder *d = find_decoder(spec->architecture);
    read_sizes(c, spec, d);
    if (c->rc != AS_OK) return;
    bool bias = !(d->has & BIAS_BY_USE) || as_config_bool(c, "use_bias", false);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, 1e-5);
    as_attention_spec attention = as_spec_attention(spec, -1, bias, bias);
    if (d->has & BARE_KEYS) attention.k_bias = false;
    as_mlp_spec mlp = as_spec_sized_mlp(spec, as_config_activation(c, "activation_function", d->act), true);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (d->has & NORM_BEFORE) {
            as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
        } else {
            as_spec_normed_sums_layer(c, spec, i, &attention, &mlp, norm);
        }
    }
    if (!(d->has & UNSCALED) && as_config_bool(c, "scale_embedding", d->has & SCALED)) {
        spec->embed_scale = sqrtf((float)spec->hidden);
    }
    as_spec_learned_positions(spec, d->offset);
    if (d->has & SINUSOIDS) spec->positions.fill = fill_sinusoids;
    if (d->embed_norm != EMBED_NORM_NONE) spec->embed_norm = as_spec_layer_norm(AS_SLOT_EMBED_NORM, 1e-5);
    spec->norm_before_positions = d->embed_norm == EMBED_NORM_BEFORE;
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    norm.present = d->has & NORM_BEFORE;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_bart = {.architectures = {"BartForCausalLM", "MBartForCausalLM",
                                                    "PLBartForCausalLM", "MvpForCausalLM",
                                                    "MarianForCausalLM", "PegasusForCausalLM"},
                                  .describe = describe};
const as_family as_family_blenderbot = {.architectures = {"BlenderbotForCausalLM",
                                                          "BlenderbotSmallForCausalLM",
                                                          "BigBirdPegasusForCausalLM", "WhisperForCausalLM"},
                                        .describe = describe};
