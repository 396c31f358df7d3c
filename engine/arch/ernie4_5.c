/* ERNIE 4.5, dense: Baidu 2025; transformers models/ernie4_5. Llama with pairs of neighbours rotated and one
 * switch for all biases. */
#include "engine/arch/arch.h"

static void describe_as(as_config *c, as_model_spec *spec, as_rope_kind kind)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, 2, 128);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    bool bias = as_config_bool(c, "use_bias", false);
    as_rope_defaults rotary = {.kind = kind, .head_dim = spec->head_dim, .theta = 500000};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, bias);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), bias);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, true);
}

static void describe(as_config *c, as_model_spec *spec)
{
    describe_as(c, spec, AS_ROPE_INTERLEAVED);
}

/* The text part of PaddleOCR-VL (models/paddleocr_vl). */
static void describe_paddleocr_vl(as_config *c, as_model_spec *spec)
{
    describe_as(c, spec, AS_ROPE_HALF);
}

const as_family as_family_ernie4_5 = {.architectures = {"Ernie4_5ForCausalLM"}, .describe = describe};
const as_family as_family_paddleocr_vl = {.describe = describe_paddleocr_vl};
