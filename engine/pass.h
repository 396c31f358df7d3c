/* One forward pass over N rows of several sequences: what blocks compute with. */
#ifndef AS_ENGINE_PASS_H
#define AS_ENGINE_PASS_H

#include "engine/binder.h"
#include "engine/spec.h"

/* A rope table of this pass: [N, rotary/2]. */
typedef struct as_rope_rows {
    const float *cos, *sin;
} as_rope_rows;

typedef struct as_pass {
    const as_model_spec *spec;
    const as_backend *ops;
    as_exec exec;
    int64_t rows;          /* N */
    const int32_t *tokens; /* [N] */
    const as_span *spans;
    int64_t span_count;
    as_rope_rows ropes[AS_MAX_ROPES];
    const float *embedding; /* [N, hidden], where the spec keeps it */
    /* the step at hand */
    int64_t layer;
    const as_kv_layer *cache;    /* NULL where the block has none */
    const as_kv_layer *index;    /* the same of its second cache */
    const as_kv_layer *entries;  /* and of its third */
    float *state[AS_MAX_STATES]; /* [slots, needs.state[part]] */
    float *carried;              /* [N, spec->carried], kept from layer to layer */
    /* work space: a stack of floats, reset after each step */
    float *work;
    int64_t work_size, work_used;
} as_pass;

/* Work space for the current step; room was reckoned when the session was opened (as_block_needs.row). */
float *as_pass_floats(as_pass *pass, int64_t count);

/* y [N, rows] = x [N, cols] through the layer, rounding x first where the precision says so. */
void as_pass_linear(as_pass *pass, const as_linear *linear, const float *x, int64_t x_stride, float *y,
                    int64_t y_stride);
/* The same, added to what y holds. */
void as_pass_add_linear(as_pass *pass, const as_linear *linear, const float *x, int64_t x_stride, float *y,
                        int64_t y_stride);
/* y [N, blocks * rows] = x [N, blocks * cols] times a block-diagonal matrix, plus bias [blocks * rows] or
 * NULL. */
void as_pass_blocks(as_pass *pass, const as_expert_stack *stack, int64_t blocks, const float *bias,
                    const float *x, int64_t x_stride, float *y, int64_t y_stride);
/* Copies `count` groups of `width` floats of each row, from_step floats from one to the next, to a dense
 * [N, count * width] or, with a stride, to rows of it. */
void as_pass_copy_groups(const as_pass *pass, int64_t count, int64_t width, const float *from,
                         int64_t from_step, int64_t from_stride, float *to, int64_t to_stride);
/* x = act(x), of every row: x [N, width], dense. */
void as_pass_activate(const as_pass *pass, as_activation act, float *x, int64_t width);
/* x = act(gate) * x, elementwise: both [N, width], dense. */
void as_pass_gate(const as_pass *pass, as_activation act, const float *gate, float *x, int64_t width);
/* A causal convolution of x's channels in place: x [N, width] of rows `stride` apart; see conv1d in
 * kernels/ops.h. */
typedef struct as_conv {
    const float *weight; /* [width, taps] */
    const float *bias;   /* [width] or NULL */
    int64_t taps;
    as_activation act;
} as_conv;
void as_pass_convolve(const as_pass *pass, const as_conv *conv, float *state, float *x, int64_t width,
                      int64_t stride);
/* Floats of work space for each row that as_pass_linear takes for inputs of that width. */
int64_t as_pass_linear_needs(int64_t cols);

/* The norm over `groups` vectors a row (1 for the residual stream). */
void as_pass_norm(as_pass *pass, const as_norm_spec *norm, const as_norm_weights *weights, const float *in,
                  int64_t in_stride, float *out, int64_t out_stride, int64_t groups, int64_t width);

/* x [N, width] = (x + shift) * scale. */
void as_pass_affine(as_pass *pass, const as_affine_weights *affine, float *x, int64_t width);

/* x [N, width] times a factor, in place; 0 means 1. */
void as_pass_scale(as_pass *pass, float factor, float *x, int64_t width, int64_t stride);

/* Rotates heads of `width` floats by the spec's encoding `rope`; -1: leaves them. */
void as_pass_rope(as_pass *pass, int rope, float *x, int64_t heads, int64_t width);
/* The same from element `offset` of each head on, whatever the encoding says. */
void as_pass_rope_at(as_pass *pass, int rope, float *x, int64_t heads, int64_t width, int64_t offset);

/* Writes keys without values of their own into a cache. */
void as_pass_store_keys(as_pass *pass, const as_kv_layer *cache, const float *k, int64_t stride,
                        const as_span *spans);

/* x [N, hidden] times sigmoid(up(silu(down(x)))), in place. */
void as_pass_self_gate(as_pass *pass, const as_linear *down, const as_linear *up, float *x);
/* Floats of work space for each row that this takes. */
int64_t as_pass_self_gate_needs(int64_t hidden, int64_t rank);

#endif
