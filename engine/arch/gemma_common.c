/* What Gemma's generations share; see gemma.h. */
#include "engine/arch/gemma.h"

const char *const as_gemma_prefixes[] = {
    "model.language_model.", "language_model.model.", "language_model.", "model.", "", NULL};
const char *const as_gemma_ignored[] = {"*rotary_emb.inv_freq",
                                        "*vision_tower.*",
                                        "*multi_modal_projector.*",
                                        "*audio_tower.*",
                                        "*embed_vision.*",
                                        "*embed_audio.*",
                                        "*vision_embedder.*",
                                        "*altup.correct_output_scale",
                                        NULL};

int64_t as_gemma_first_shared(as_config *c, as_model_spec *spec, int64_t default_shared)
{
    static const char *const unused[] = {"*layers.%lld.self_attn.k_proj.*", "*layers.%lld.self_attn.v_proj.*",
                                         "*layers.%lld.self_attn.k_norm.*",
                                         "*layers.%lld.self_attn.v_norm.*"};
    int64_t shared = as_config_int(c, "num_kv_shared_layers", default_shared);
    if (shared < 0 || shared >= spec->layer_count) {
        as_config_fail(c, AS_E_INPUT,
                       "\"num_kv_shared_layers\" is %lld, expected 0 to less than \"num_hidden_layers\" %lld",
                       (long long)shared, (long long)spec->layer_count);
        return spec->layer_count;
    }
    int64_t first = spec->layer_count - shared;
    for (size_t i = 0; shared && i < sizeof unused / sizeof unused[0]; i++) {
        as_spec_ignore_numbered(c, spec, unused[i], first, shared);
    }
    return first;
}

int64_t as_gemma_cache_layer(as_config *c, const bool *slides, int64_t first_shared, int64_t layer)
{
    for (int64_t i = first_shared - 1; i >= 0; i--) {
        if (slides[i] == slides[layer]) return i;
    }
    as_config_fail(c, AS_E_INPUT,
                   "layer %lld has %s attention and shares keys and values (\"num_kv_shared_layers\"), but "
                   "no layer before %lld is of its kind",
                   (long long)layer, slides[layer] ? "sliding" : "full", (long long)first_shared);
    return 0;
}
