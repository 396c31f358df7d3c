/* The feed-forward block: down(act(gate x) * up x), or down(act(up x)). */
#ifndef AS_ENGINE_BLOCKS_MLP_H
#define AS_ENGINE_BLOCKS_MLP_H

#include "engine/blocks/block.h"
#include "engine/config.h"

typedef struct as_mlp_spec {
    int64_t width;
    as_activation act;
    bool gated;
    bool up_bias, down_bias; /* up_bias covers the gate */
    as_slot gate, up, down;
    float limit, up_offset; /* act(min(gate, limit)) * (up within -limit to limit + up_offset); 0: none */
    bool limit_act;         /* the limit holds act(gate), not the gate */
    float slope;            /* x sigmoid(slope x) instead of act(x); 0: no */
    bool sparse;            /* the gate is cut off (operation sparsify) at that many deviations: */
    float deviations;
    float gate_scale;           /* on what the activation reads, the gate's or the only one; 0 means 1 */
    bool scaled;                /* slot DOWN_SCALE: a factor on the whole */
    as_norm_spec sub_norm;      /* before the down projection */
    bool xielu;                 /* xIELU with learned parameters instead of act; not gated */
    const double *xielu_stated; /* alpha_p, alpha_n, beta, eps, where no tensors hold them; NULL: they do */
} as_mlp_spec;

typedef struct as_mlp_weights {
    as_linear gate, up, down;
    as_norm_weights sub_norm;
    float scale; /* of a scaled one */
    struct {
        float alpha_p, alpha_n, beta, eps;
    } xielu;
} as_mlp_weights;

extern const as_block as_block_mlp;

#endif
