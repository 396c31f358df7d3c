/* What --dtype means: how the weights of linear layers are held and how their inputs are rounded. */
#ifndef AS_ENGINE_PRECISION_H
#define AS_ENGINE_PRECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "kernels/ops.h"

/* How the inputs of a linear layer are rounded before the product. */
typedef struct as_activation_rounding {
    bool on;
    as_quant_kind kind;
    int64_t block;
    const float *norm; /* RMS norm's weight [cols], which goes before the rounding; NULL: none */
    float norm_eps;
} as_activation_rounding;

typedef struct as_precision {
    const char *name; /* canonical: "f16", "fp8-channel" */
    bool as_stored;   /* every tensor in the checkpoint's own type */
    as_dtype base;    /* type of everything that is not quantized, unless as_stored */
    bool keep_base;   /* embeddings, head and routers keep the checkpoint's type */
    bool quantized;   /* linear layers are held as e4m3 with scales */
    as_scale_kind scale;
    int64_t block_rows, block_cols;
    as_activation_rounding rounding;
    bool kv8; /* cache in e4m3 */
} as_precision;

/* NULL is the checkpoint's own type ("native"). "f32" computes with the stored numbers, which float32 holds
 * exactly, so nothing is converted. AS_E_UNSUPPORTED for an unknown name, with the list of those known. */
AS_MUST_USE as_code as_precision_parse(const char *name, as_precision *out, as_error *err);

/* Rounds a matrix to e4m3 with scales of absmax/448 (zeros: scale 1; otherwise at least 1e-12) as `precision`
 * lays them out. data [rows, cols] bytes; scales as as_matrix has them. source is converted row by row. */
void as_precision_quantize(const as_precision *precision, const as_matrix *source, uint8_t *data,
                           float *scales, as_pool *pool);
/* How many scales a matrix of that shape has. */
int64_t as_precision_scale_count(const as_precision *precision, int64_t rows, int64_t cols);

#endif
