/* The text parts of models that also see or hear: transformers models/llava and its kin. Given text alone
 * such a model is its language model, whose configuration is nested and whose tensors have a prefix; the
 * towers are recognised and left out. A row of `parts` is a class, a row of `types` a kind of language model
 * with the sizes that its configuration may leave out, for such repositories often name only what differs
 * from the class. Rotation by sections (mrope) is the plain one: positions of text are equal in all sections.
 *
 * transformers 5.23 gives most of these classes a head of their own, without the language model's scale, cap
 * and bias of the logits (Aya Vision's is Cohere 2 and does not scale them); `own` marks those that keep it
 * all. The numbers here are transformers'. */
#include "engine/arch/text_parts.h"

#include <stdio.h>
#include <string.h>

/* ---- kinds of language model -----------------------------------------------------------------------------
 */

typedef struct text_type {
    const char *model_type;
    const as_family *family;
    const char *otherwise; /* the class's values of fields that the configuration leaves out, as JSON */
    const char *always;    /* values that hold whatever it says; NULL: none */
} text_type;

#define SIZES(vocab, hidden, intermediate, layers, heads)                                                    \
    "{\"vocab_size\":" #vocab ",\"hidden_size\":" #hidden ",\"intermediate_size\":" #intermediate            \
    ",\"num_hidden_layers\":" #layers ",\"num_attention_heads\":" #heads
#define NO_WINDOWS "{\"use_sliding_window\":null}"

#define AS_TEXT_TYPE(type, family, otherwise, always) extern const as_family as_family_##family;
#include "engine/arch/text_types.def"
#undef AS_TEXT_TYPE

static const text_type types[] = {
#define AS_TEXT_TYPE(type, family, otherwise, always) {type, &as_family_##family, otherwise "}", always},
#include "engine/arch/text_types.def"
#undef AS_TEXT_TYPE
};

/* ---- classes ---------------------------------------------------------------------------------------------
 */

typedef enum {
    NESTED_ANY,   /* the nested model_type says which kind */
    NESTED_FIXED, /* the class has one kind, whatever the nested model_type says */
} nesting;

typedef struct text_part {
    const char *architecture;
    const char *type; /* of its language model, unless the configuration says another */
    nesting nesting;
    bool own; /* the logits are the language model's own */
} text_part;

static const text_part parts[] = {
#define AS_TEXT_PART(architecture, type, nesting, own) {#architecture, type, NESTED_##nesting, own},
#include "engine/arch/text_parts.def"
#undef AS_TEXT_PART
};

const char *as_text_part_at(int64_t i)
{
    return i < (int64_t)(sizeof parts / sizeof parts[0]) ? parts[i].architecture : NULL;
}

/* ---- names -----------------------------------------------------------------------------------------------
 */

/* The first three are how transformers has saved them over time, and the duplicate of some of its releases;
 * the plain ones are of older classes that held the towers beside the layers. */
static const char *const prefixes[] = {"model.language_model.",
                                       "language_model.model.",
                                       "model.language_model.model.",
                                       "model.text_model.",
                                       "model.transformer.",
                                       "text_model.model.",
                                       "thinker.model.language_model.",
                                       "thinker.model.",
                                       "language_model.backbone.",
                                       "language_model.model.decoder.",
                                       "llm.model.",
                                       "model.llm.",
                                       "model.",
                                       "language_model.",
                                       "text_model.",
                                       "",
                                       NULL};

static const char *const head_places[] = {"",     "language_model.", "text_model.", "thinker.",
                                          "llm.", "model.llm."};

/* What is beside the language model. */
static const char *const towers[] = {
    "*rotary_emb.inv_freq",
    "*vision_tower.*",
    "*vision_backbone.*",
    "*vision_model.*",
    "*vision_encoder.*",
    "*vision_projection.*",
    "*vision_adapter.*",
    "*vision_embed_tokens.*",
    "*visual.*",
    "*visual_embeddings_table.*",
    "*visual_tokenizer.*",
    "*high_res_vision_*",
    "*image_tower.*",
    "*video_tower.*",
    "*image_newline",
    "*view_separator",
    "*view_seperator", /* so spelt */
    "*sam_model.*",
    "*qwen2_model.*",
    "*projector.*",
    "*projectors.*",
    "*aligner.*",
    "*connector.*",
    "*merger.*",
    "*mlp_AR.*",
    "*resampler_model.*",
    "*density_router.*",
    "*embed_tokens_extend.*",
    "*vqmodel.*",
    "*gen_*",
    "*generation_embeddings.*",
    "*generation_head.*",
    "*audio_tower.*",
    "*embed_audio.*",
    "*acoustic_tokenizer_encoder.*",
    "*semantic_tokenizer_encoder.*",
    "encoder.*",
    "model.encoder.*",
    "sound_encoder.*",
    "sound_projection.*",
    "talker.*",
    "token2wav.*",
    "code2wav.*",
    "vit.*",
    "vte.*",
    "model.vit.*",
    "mlp1.*",
    "mtp.*",
    "blocks.*",
    "patch_embed.*",
    "pos_embed.*",
    "deepstack_merger_list.*",
};

/* The towers and what the language model's family ignores itself. */
static void ignore_towers(as_config *c, as_model_spec *spec)
{
    size_t own = 0, count = sizeof towers / sizeof towers[0];
    while (spec->ignored[own]) own++;
    const char **all = AS_ARENA_NEW_ARRAY(&spec->arena, const char *, own + count + 1);
    if (!all) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the names");
        return;
    }
    memcpy(all, spec->ignored, own * sizeof *all);
    memcpy(all + own, towers, sizeof towers);
    spec->ignored = all;
}

/* The family's names of the head, in all places where the head may stand, and lm_head before all. */
static void name_head(as_config *c, as_model_spec *spec)
{
    enum { MOST = 1024 };
    const char *own = as_slot_pattern(spec, AS_SLOT_HEAD);
    char *names = as_arena_alloc(&spec->arena, MOST);
    const char **slots = AS_ARENA_NEW_ARRAY(&spec->arena, const char *, AS_SLOT_COUNT);
    if (!names || !slots) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the names");
        return;
    }
    int used = snprintf(names, MOST, "^lm_head");
    while (*own) {
        int size = (int)strcspn(own, "|"), marks = (int)strspn(own, "^~");
        for (size_t i = 0; i < sizeof head_places / sizeof head_places[0]; i++) {
            used += snprintf(names + used, MOST - (size_t)used, "|^%s%.*s", head_places[i], size - marks,
                             own + marks);
            AS_BUG(used >= MOST);
        }
        own += size + (own[size] == '|');
    }
    if (spec->names) memcpy(slots, spec->names, AS_SLOT_COUNT * sizeof *slots);
    slots[AS_SLOT_HEAD] = names;
    spec->names = slots;
}

/* A slot's names, and behind them those of layers once more with "encoder." in front. */
static const char *encoder_names(as_model_spec *spec, const char *own)
{
    static const char place[] = "encoder.", layers[] = "layers.";
    size_t names = 1, size = strlen(own);
    for (const char *at = own; *at; at++) names += *at == '|';
    char *all = as_arena_alloc(&spec->arena, 2 * size + names * sizeof place + 2), *end = all;
    if (!all) return NULL;
    memcpy(end, own, size);
    end += size;
    while (*own) {
        size_t length = strcspn(own, "|"), marks = strspn(own, "^~");
        if (strncmp(own + marks, layers, sizeof layers - 1) == 0) {
            end += sprintf(end, "|%.*s%s%.*s", (int)marks, own, place, (int)(length - marks), own + marks);
        }
        own += length + (own[length] == '|');
    }
    *end = 0;
    return all;
}

/* transformers 5.23 reads "encoder.layers." of Qianfan's vision tower as "layers." and undoes that for all of
 * the model when it saves one. */
static void name_encoder_layers(as_config *c, as_model_spec *spec)
{
    const char **slots = AS_ARENA_NEW_ARRAY(&spec->arena, const char *, AS_SLOT_COUNT);
    for (int i = 0; slots && i < AS_SLOT_COUNT; i++) {
        const char *own = as_slot_pattern(spec, (as_slot)i);
        if (!own) continue;
        slots[i] = encoder_names(spec, own);
        if (!slots[i]) slots = NULL;
    }
    if (slots) {
        spec->names = slots;
    } else {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the names");
    }
}

/* ---- reading ---------------------------------------------------------------------------------------------
 */

static const text_part *find_part(const char *architecture)
{
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(architecture, parts[i].architecture) == 0) return &parts[i];
    }
    AS_BUG(true); /* the registry knows it from here */
    return NULL;
}

static const text_type *find_type(as_config *c, const text_part *part, bool nested)
{
    const char *type = part->type;
    if (nested && part->nesting == NESTED_ANY) type = as_config_string(c, "model_type", type);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(type, types[i].model_type) == 0) return &types[i];
    }
    as_config_fail(c, AS_E_UNSUPPORTED,
                   "\"text_config\" has the \"model_type\" \"%s\", which is not known here", type);
    return NULL;
}

/* The configuration with what its class has for fields that it leaves out; NULL: out of memory. */
static json_t *fill_up(const json_t *given, const text_type *type)
{
    json_t *filled = json_copy((json_t *)given), *otherwise = json_loads(type->otherwise, 0, NULL);
    json_t *always = type->always ? json_loads(type->always, 0, NULL) : NULL;
    bool good = filled && otherwise && (always || !type->always) &&
                json_object_update_missing(filled, otherwise) == 0 &&
                (!always || json_object_update(filled, always) == 0);
    json_decref(otherwise);
    json_decref(always);
    if (!good) {
        json_decref(filled);
        return NULL;
    }
    return filled;
}

/* As the language model's own class does not: a head of the whole's, and generation by the whole. */
static void take_head(as_model_spec *spec)
{
    spec->logit_scale = spec->logit_cap = 0;
    spec->head_bias = false;
    for (int i = 0; i < spec->rope_count; i++) spec->ropes[i].anew = false;
}

static bool is_named(const text_part *part, const char *architecture)
{
    return strcmp(part->architecture, architecture) == 0;
}

/* What is a class's alone. */
static void set_apart(as_config *c, as_model_spec *spec, const text_part *part)
{
    /* Its positions begin with 1, which shows where the encoding changes with the length. */
    bool from_one = is_named(part, "PaliGemmaForConditionalGeneration");
    for (int i = 0; from_one && i < spec->rope_count; i++) spec->ropes[i].first = 1;
    if (is_named(part, "QianfanOCRForConditionalGeneration")) name_encoder_layers(c, spec);
}

/* Beside a talker, the part that reads and thinks has a configuration of its own. */
static const json_t *find_thinker(const json_t *whole)
{
    const json_t *thinker = json_object_get(whole, "thinker_config");
    return json_is_object(thinker) ? thinker : whole;
}

const json_t *as_config_text_part(const json_t *whole)
{
    static const char *const keys[] = {"text_config", "llm_config", "language_config"};
    const json_t *outer = find_thinker(whole);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *nested = json_object_get(outer, keys[i]);
        if (json_is_object(nested)) return nested;
    }
    return outer;
}

static void describe(as_config *c, as_model_spec *spec)
{
    const text_part *part = find_part(spec->architecture);
    const json_t *whole = c->outer, *text = as_config_text_part(whole);
    c->outer = find_thinker(whole);
    c->root = text;
    const text_type *type = find_type(c, part, text != c->outer);
    if (!type) return;
    json_t *filled = fill_up(text, type);
    if (!filled) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the configuration");
        return;
    }
    c->root = filled;
    type->family->describe(c, spec);
    bool tied_inside = json_is_true(json_object_get(filled, "tie_word_embeddings"));
    c->root = text;
    json_decref(filled);
    if (c->rc != AS_OK) return;
    spec->tied_head |= tied_inside;
    if (!part->own) take_head(spec);
    set_apart(c, spec, part);
    name_head(c, spec);
    ignore_towers(c, spec);
    spec->prefixes = prefixes;
}

const as_family as_family_text_part = {.describe = describe};
