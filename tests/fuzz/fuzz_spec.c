/* A config.json, as far as the engine reads it: any bytes give a spec or a message, and what a spec promises
 * can be reckoned with: the tables of its rotary encodings, the needs of its blocks, its tensors. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "engine/arch/arch.h"
#include "engine/blocks/block.h"
#include "engine/repository.h"
#include "engine/rope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const as_model_spec *spec)
{
    static float frequencies[1 << 14];
    for (int i = 0; i < spec->rope_count; i++) {
        if (spec->ropes[i].rotary / 2 > 1 << 14 || spec->ropes[i].rotary > spec->ropes[i].head_dim) abort();
        as_rope_frequencies(&spec->ropes[i], 1, frequencies);
        as_rope_frequencies(&spec->ropes[i], (int64_t)1 << 40, frequencies);
    }
    for (int64_t l = 0; l < spec->layer_count; l++) {
        if (spec->layers[l].step_count < 1) abort();
        for (int s = 0; s < spec->layers[l].step_count; s++) {
            const as_step *step = &spec->layers[l].steps[s];
            as_block_needs needs = step->block->needs(spec, step);
            if (needs.row < 1 || needs.kv_heads < 0 || needs.k_width < 0 || needs.state[0] < 0) abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *config = NULL;
    as_model_spec spec;
    as_error err;
    if (as_json_parse((const char *)data, size, AS_JSON_LENIENT, "fuzz", &config, &err) != AS_OK) return 0;
    if (as_spec_from_config(config, &spec, &err) == AS_OK) {
        use(&spec);
        as_model_spec_free(&spec);
    }
    as_needs *needs = NULL;
    if (as_needs_open(NULL, config, &needs, &err) == AS_OK && as_needs_count(needs) < 1) abort();
    as_needs_close(needs);
    json_decref(config);
    return 0;
}
