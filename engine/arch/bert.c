/* BERT and its kin as decoders: Devlin et al. 2019, Liu et al. 2019 (RoBERTa) and those who followed;
 * transformers models/bert, roberta, electra, megatron_bert, rembert, roformer and others, with is_decoder.
 * Learned positions and a token type, which is the first for text alone; layer norms behind the sums or
 * before the blocks; a layer with an activation and a norm before the head, which has a bias. Attention to an
 * encoder, if there is one, rests where none is given. What differs stands in a table, a row for each class.
 *
 * RoBERTa's kind counts positions from behind the padding token's row, and does not count that token itself.
 * So does a continuation here, token by token: transformers 5.23's generate() hands these classes positions
 * that begin with 0, the prompt's included, which are not those of its own forward pass nor of their
 * training.
 */
#include <stdio.h>
#include <string.h>

#include "engine/arch/arch.h"

/* Where the norms stand. */
typedef enum {
    BEHIND,        /* behind the sums */
    MEGATRON,      /* before the blocks, and behind the last; none behind the embedding */
    PRE_LAYERNORM, /* the same, and one behind the embedding */
    XL,            /* as MEGATRON, under other names */
} norm_places;

typedef enum {
    CLS,        /* cls.predictions.transform */
    LM_HEAD,    /* lm_head, with a gelu whatever hidden_act says */
    ELECTRA,    /* generator_predictions, likewise */
    REMBERT,    /* cls.predictions itself */
    GENERATION, /* the head alone */
} head_kind;

typedef struct bert_kind {
    const char *architecture;
    const char *prefix;
    norm_places norms;
    head_kind head;
    bool after_padding; /* positions as RoBERTa counts them */
    bool untyped;       /* no token types */
    bool rotary;        /* instead of learned positions */
    const char *width;  /* field of the embedding's width where it may differ; NULL: hidden_size */
    const char *head_width;
    int64_t width_default; /* 0: hidden_size */
    int64_t context, types;
    double eps;
} bert_kind;

#define ROBERTA .after_padding = true, .head = LM_HEAD
static const bert_kind kinds[] = {
    {"BertLMHeadModel", "bert.", .head = CLS},
    {"ErnieForCausalLM", "ernie.", .head = CLS},
    {"MegatronBertForCausalLM", "bert.", .norms = MEGATRON, .head = CLS},
    {"BertGenerationDecoder", "bert.", .head = GENERATION, .untyped = true},
    {"ElectraForCausalLM", "electra.", .head = ELECTRA, .width = "embedding_size", .width_default = 128},
    {"RemBertForCausalLM", "rembert.", .head = REMBERT, .width = "input_embedding_size",
     .head_width = "output_embedding_size", .width_default = 256},
    {"RoFormerForCausalLM", "roformer.", .head = CLS, .rotary = true, .width = "embedding_size",
     .context = 1536},
    {"RobertaForCausalLM", "roberta.", ROBERTA},
    {"XLMRobertaForCausalLM", "roberta.", ROBERTA},
    {"CamembertForCausalLM", "roberta.", ROBERTA},
    {"Data2VecTextForCausalLM", "data2vec_text.", ROBERTA},
    {"RobertaPreLayerNormForCausalLM", "roberta_prelayernorm.", .norms = PRE_LAYERNORM, ROBERTA},
    {"XLMRobertaXLForCausalLM", "roberta.", .norms = XL, ROBERTA, .context = 514, .types = 1, .eps = 1e-5},
};

#define LAYER "encoder.layer.%d."
#define COMMON_NAMES                                                                                         \
    [AS_SLOT_EMBED] = "embeddings.word_embeddings", [AS_SLOT_POSITIONS] = "embeddings.position_embeddings",  \
    [AS_SLOT_ROPE_TABLE] = "encoder.embed_positions", [AS_SLOT_EMBED_NORM] = "embeddings.LayerNorm",         \
    [AS_SLOT_EMBED_IN] = "embeddings_project|encoder.embedding_hidden_mapping_in",                           \
    [AS_SLOT_Q] = LAYER "attention.self.query", [AS_SLOT_K] = LAYER "attention.self.key",                    \
    [AS_SLOT_V] = LAYER "attention.self.value", [AS_SLOT_O] = LAYER "attention.output.dense",                \
    [AS_SLOT_UP] = LAYER "intermediate.dense", [AS_SLOT_DOWN] = LAYER "output.dense"

static const char *const names[][AS_SLOT_COUNT] = {
    [BEHIND] = {COMMON_NAMES, [AS_SLOT_NORM_1] = LAYER "attention.output.LayerNorm",
                [AS_SLOT_NORM_2] = LAYER "output.LayerNorm"},
    [MEGATRON] = {COMMON_NAMES, [AS_SLOT_NORM_1] = LAYER "attention.ln", [AS_SLOT_NORM_2] = LAYER "ln",
                  [AS_SLOT_FINAL_NORM] = "encoder.ln"},
    [PRE_LAYERNORM] = {COMMON_NAMES, [AS_SLOT_NORM_1] = LAYER "attention.LayerNorm",
                       [AS_SLOT_NORM_2] = LAYER "intermediate.LayerNorm", [AS_SLOT_FINAL_NORM] = "LayerNorm"},
    [XL] = {COMMON_NAMES, [AS_SLOT_NORM_1] = LAYER "attention.self_attn_layer_norm",
            [AS_SLOT_NORM_2] = LAYER "LayerNorm", [AS_SLOT_FINAL_NORM] = "encoder.LayerNorm"},
};

/* The layer before the head, its norm, the head; the head's bias has an older name of its own. */
static const char *const head_names[][3] = {
    [CLS] = {"^cls.predictions.transform.dense", "^cls.predictions.transform.LayerNorm",
             "^cls.predictions.decoder|^cls.predictions"},
    [LM_HEAD] = {"^lm_head.dense", "^lm_head.layer_norm", "^lm_head.decoder|^lm_head"},
    [ELECTRA] = {"^generator_predictions.dense", "^generator_predictions.LayerNorm", "^generator_lm_head"},
    [REMBERT] = {"^cls.predictions.dense", "^cls.predictions.LayerNorm", "^cls.predictions.decoder"},
    [GENERATION] = {NULL, NULL, "^lm_head.decoder|^lm_head"},
};

/* What other heads and an encoder's part leave behind. */
static const char *const ignored[] = {"*position_ids",
                                      "*token_type_ids",
                                      "*pooler.*",
                                      "*.crossattention.*",
                                      "cls.seq_relationship.*",
                                      "cls.predictions.bias",
                                      "lm_head.bias",
                                      "discriminator_predictions.*",
                                      "*task_type_embeddings.weight",
                                      NULL};

static const bert_kind *find_kind(const as_model_spec *spec)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].architecture, spec->architecture) == 0) return &kinds[i];
    }
    AS_BUG(true); /* the registry has the same classes */
    return NULL;
}

/* ---- names -----------------------------------------------------------------------------------------------
 */

/* The first row of a table that has so many. */
static const char *first_row(as_config *c, as_model_spec *spec, const char *table, int64_t rows)
{
    char text[96];
    snprintf(text, sizeof text, "embeddings.%s.weight#0/%lld", table, (long long)rows);
    const char *name = as_arena_strdup(&spec->arena, text);
    if (!name) as_config_fail(c, AS_E_MEMORY, "out of memory for the names");
    return name;
}

static void set_names(as_config *c, as_model_spec *spec, const bert_kind *kind)
{
    enum { MOST_TYPES = 1 << 20 };
    const char **own = AS_ARENA_NEW_ARRAY(&spec->arena, const char *, AS_SLOT_COUNT),
               **prefixes = AS_ARENA_NEW_ARRAY(&spec->arena, const char *, 3);
    if (!own || !prefixes) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the names");
        return;
    }
    memcpy(own, names[kind->norms], AS_SLOT_COUNT * sizeof *own);
    own[AS_SLOT_BEFORE_HEAD] = head_names[kind->head][0];
    own[AS_SLOT_HEAD_NORM] = head_names[kind->head][1];
    own[AS_SLOT_HEAD] = head_names[kind->head][2];
    if (!kind->untyped) {
        int64_t types = as_config_size_or(c, "type_vocab_size", kind->types ? kind->types : 2, MOST_TYPES);
        own[AS_SLOT_EMBED_SHIFT] = first_row(c, spec, "token_type_embeddings", types);
        spec->embed_affine.shift = AS_SLOT_EMBED_SHIFT;
    }
    if (strcmp(kind->architecture, "ErnieForCausalLM") == 0 && as_config_bool(c, "use_task_id", false)) {
        int64_t tasks = as_config_size_or(c, "task_type_vocab_size", 3, MOST_TYPES);
        own[AS_SLOT_EMBED_SHIFT_2] = first_row(c, spec, "task_type_embeddings", tasks);
        spec->embed_affine.shift_2 = AS_SLOT_EMBED_SHIFT_2;
    }
    prefixes[0] = kind->prefix;
    prefixes[1] = "";
    spec->names = own;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
}

/* ---- reading ---------------------------------------------------------------------------------------------
 */

static void set_positions(as_config *c, as_model_spec *spec, const bert_kind *kind)
{
    if (kind->rotary) return;
    int64_t offset = 0;
    if (kind->after_padding) {
        int64_t padding = as_config_int(c, "pad_token_id", 1);
        if (padding < 0 || padding + 1 >= spec->context) {
            as_config_fail(
                c, AS_E_INPUT,
                "\"pad_token_id\" is %lld, behind which \"max_position_embeddings\" %lld leaves no "
                "position",
                (long long)padding, (long long)spec->context);
            return;
        }
        offset = padding + 1;
        spec->context -= offset;
    }
    as_spec_learned_positions(spec, offset);
    spec->positions.skips = kind->after_padding;
    spec->positions.skipped = (int32_t)(offset - 1);
}

static void set_head(as_config *c, as_model_spec *spec, const bert_kind *kind, as_norm_spec norm)
{
    spec->head_bias = true;
    if (kind->head == GENERATION) return;
    bool own = kind->head == LM_HEAD || kind->head == ELECTRA;
    spec->head_layer =
        (as_head_layer_spec){.width = spec->embed_width ? spec->embed_width : spec->hidden,
                             .act = own ? AS_ACT_GELU : as_config_activation(c, "hidden_act", "gelu"),
                             .norm = norm};
    spec->head_layer.norm.slot = AS_SLOT_HEAD_NORM;
    if (kind->head_width)
        spec->head_layer.width = as_config_size_or(c, kind->head_width, 1664, AS_MOST_WIDTH);
}

static void add_layers(as_config *c, as_model_spec *spec, const bert_kind *kind, as_norm_spec norm)
{
    int rope = -1;
    if (kind->rotary) {
        rope = as_spec_plain_rope(c, spec, AS_ROPE_INTERLEAVED, spec->head_dim, 10000);
        spec->ropes[rope].stored = true;
    }
    as_attention_spec attention = as_spec_attention(spec, rope, true, true);
    attention.rotated_values = kind->rotary && as_config_bool(c, "rotary_value", false);
    spec->intermediate = as_config_size_or(c, "intermediate_size", 3072, AS_MOST_WIDTH);
    as_mlp_spec mlp = as_spec_sized_mlp(spec, as_config_activation(c, "hidden_act", "gelu"), true);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (kind->norms == BEHIND) {
            as_spec_normed_sums_layer(c, spec, i, &attention, &mlp, norm);
        } else {
            as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
        }
    }
}

static void describe(as_config *c, as_model_spec *spec)
{
    const bert_kind *kind = find_kind(spec);
    if (!as_config_bool(c, "is_decoder", false)) {
        as_config_fail(
            c, AS_E_UNSUPPORTED,
            "\"is_decoder\" is not true: each token then sees those behind it as well, so that the "
            "model cannot continue a text");
        return;
    }
    as_spec_base_named(c, spec, &(as_size_keys){0}, kind->context ? kind->context : 512);
    if (c->rc != AS_OK) return;
    as_norm_spec norm = as_spec_layer_norm(
        AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_eps", kind->eps > 0 ? kind->eps : 1e-12));
    if (kind->width) {
        int64_t otherwise = kind->width_default ? kind->width_default : spec->hidden;
        int64_t width = as_config_size_or(c, kind->width, otherwise, AS_MOST_WIDTH);
        spec->embed_narrow = true;
        if (width != spec->hidden || kind->head == REMBERT) spec->embed_width = width;
    }
    set_positions(c, spec, kind);
    add_layers(c, spec, kind, norm);
    if (kind->norms == BEHIND || kind->norms == PRE_LAYERNORM) {
        spec->embed_norm = norm;
        spec->embed_norm.slot = AS_SLOT_EMBED_NORM;
    }
    set_head(c, spec, kind, norm);
    set_names(c, spec, kind);
    as_norm_spec last = norm;
    last.present = kind->norms != BEHIND;
    as_spec_finish(c, spec, last, true);
    if (kind->head == REMBERT) spec->tied_head = false; /* whatever it says */
}

const as_family as_family_bert = {.architectures = {"BertLMHeadModel", "ErnieForCausalLM",
                                                    "MegatronBertForCausalLM", "BertGenerationDecoder",
                                                    "ElectraForCausalLM", "RemBertForCausalLM",
                                                    "RoFormerForCausalLM"},
                                  .describe = describe};
const as_family as_family_roberta = {
    .architectures = {"RobertaForCausalLM", "XLMRobertaForCausalLM", "CamembertForCausalLM",
                      "Data2VecTextForCausalLM", "RobertaPreLayerNormForCausalLM", "XLMRobertaXLForCausalLM"},
    .describe = describe};
