/* What a configuration says of how its weights are quantized; see methods.h. */
#include "engine/bind/methods.h"

#include <string.h>

/* Methods that transformers 5.23 knows and whose weights are not read here. Another, which neither knows,
 * says nothing of the tensors: transformers warns and reads them as they are, and so does the binder, which
 * refuses what it finds packed. */
static const char *const unread[] = {"gguf",
                                     "awq",
                                     "bitsandbytes_4bit",
                                     "bitsandbytes_8bit",
                                     "bitsandbytes",
                                     "eetq",
                                     "gptq",
                                     "aqlm",
                                     "quanto",
                                     "quark",
                                     "vptq",
                                     "fouroversix",
                                     "fp_quant",
                                     "hqq",
                                     "higgs",
                                     "spqr",
                                     "torchao",
                                     "nvfp4",
                                     "mxfp8",
                                     "auto-round",
                                     "metal",
                                     "sinq",
                                     "gemma"};

static const char *method_of(const json_t *quantization)
{
    if (json_is_true(json_object_get(quantization, "load_in_4bit"))) return "bitsandbytes_4bit";
    if (json_is_true(json_object_get(quantization, "load_in_8bit"))) return "bitsandbytes_8bit";
    return json_string_value(json_object_get(quantization, "quant_method"));
}

as_code as_check_quantization(const json_t *quantization, as_error *err)
{
    if (!json_is_object(quantization)) return AS_OK;
    const char *method = method_of(quantization);
    if (!method) {
        return as_fail(
            err, AS_E_INPUT,
            "config.json: \"quantization_config\" has no \"quant_method\", so that it cannot be known "
            "how the weights are to be read");
    }
    for (size_t i = 0; i < sizeof unread / sizeof unread[0]; i++) {
        if (strcmp(method, unread[i]) != 0) continue;
        return as_fail(err, AS_E_UNSUPPORTED,
                       "config.json: \"quantization_config\" has the \"quant_method\" \"%s\", whose weights "
                       "cannot be read here: take the model's plain weights; if these are plain, remove "
                       "\"quantization_config\"",
                       method);
    }
    return AS_OK;
}
