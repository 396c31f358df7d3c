/* The text part of vision-language models whose text_config is a model of its own: transformers models/llava
 * and its kin, models/idefics3. Its model_type says which; images and what encodes them are left out.
 *
 * transformers 5.23 gives such a model a head of its own and with it leaves out the text model's logit scale
 * (Aya Vision's is Cohere 2): here the text model stays as it was trained. */
#include <string.h>

#include "engine/arch/arch.h"

extern const as_family as_family_cohere2, as_family_granite, as_family_llama, as_family_mistral,
    as_family_olmo2, as_family_phi3, as_family_qwen2, as_family_qwen3, as_family_smollm3;

static const struct {
    const char *model_type;
    const as_family *family;
} text_parts[] = {
    {"llama", &as_family_llama}, {"mistral", &as_family_mistral}, {"qwen2", &as_family_qwen2},
    {"qwen3", &as_family_qwen3}, {"cohere2", &as_family_cohere2}, {"granite", &as_family_granite},
    {"olmo2", &as_family_olmo2}, {"phi3", &as_family_phi3},       {"smollm3", &as_family_smollm3},
};

static const char *const prefixes[] = {
    "model.language_model.", "language_model.model.", "model.text_model.", "model.", "", NULL};
static const char *const ignored[] = {"*rotary_emb.inv_freq",
                                      "*vision_tower.*",
                                      "*vision_model.*",
                                      "*multi_modal_projector.*",
                                      "*image_newline",
                                      "model.connector.*",
                                      NULL};

static void describe(as_config *c, as_model_spec *spec)
{
    const char *type = as_config_string(c, "model_type", "llama");
    if (c->outer == c->root) type = "llama"; /* the class's default */
    for (size_t i = 0; i < sizeof text_parts / sizeof text_parts[0]; i++) {
        if (strcmp(type, text_parts[i].model_type) != 0) continue;
        text_parts[i].family->describe(c, spec);
        as_spec_text_part(c, spec, prefixes, ignored);
        return;
    }
    as_config_fail(c, AS_E_UNSUPPORTED,
                   "\"text_config\" has the \"model_type\" \"%s\", which is not known here", type);
}

const as_family as_family_vision_language = {
    .architectures = {"LlavaForConditionalGeneration", "LlavaNextForConditionalGeneration",
                      "LlavaOnevisionForConditionalGeneration", "InternVLForConditionalGeneration",
                      "AyaVisionForConditionalGeneration", "Idefics3ForConditionalGeneration",
                      "SmolVLMForConditionalGeneration"},
    .nested = "text_config",
    .describe = describe,
};
