/* What a configuration says of how its weights are quantized. */
#ifndef AS_ENGINE_BIND_METHODS_H
#define AS_ENGINE_BIND_METHODS_H

#include <jansson.h>

#include "base/error.h"

/* Whether weights of a quantization_config's method can be read: unsupported, and named, where not. */
AS_MUST_USE as_code as_check_quantization(const json_t *quantization, as_error *err);

#endif
