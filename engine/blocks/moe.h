/* Experts: a router picks top_k feed-forward blocks for each token and their outputs are summed by weight; a
 * shared one, which every token takes, may stand beside them. */
#ifndef AS_ENGINE_BLOCKS_MOE_H
#define AS_ENGINE_BLOCKS_MOE_H

#include "engine/blocks/mlp.h"

typedef struct as_moe_spec {
    int64_t experts, top_k, width;
    int64_t joined; /* shared ones (slots SHARED_*, stacked) that stand behind the experts: the router scores
                     * them too, each token takes them all, and top_k counts them */
    int64_t identity;          /* experts behind them that give back what they are given */
    bool identity_is_zero;     /* they give nothing instead */
    float identity_correction; /* of their scores, whatever the checkpoint says; 0: what it says */
    as_activation act;
    bool gated;             /* down(act(gate x) * up x), else down(act(up x)) */
    float limit, up_offset; /* act(min(gate, limit)) * (up within -limit to limit + up_offset); 0: none */
    bool limit_act;         /* the limit holds act(gate), not the gate */
    /* cap(gate) sigmoid(gate) cap(up), cap(x) = c tanh(x / c), instead of act(gate) up; 0: no */
    float gate_cap, up_cap;
    float slope;    /* x sigmoid(slope x) instead of act(x); 0: no */
    bool bias;      /* on the experts' matrices */
    int64_t latent; /* experts live in a space of this width, between projections; 0: none */
    bool latent_bias;
    bool out_bias;                  /* slot EXPERT_BIAS is added to what the experts give together */
    bool weigh_input;               /* the weight multiplies what the expert is given, not what it gives */
    as_norm_spec latent_norm;       /* of what is given to latent experts */
    as_norm_spec each_norm;         /* of what each expert gives, before its weight */
    as_norm_spec in_norm, out_norm; /* before the experts and behind their sum; not the router's or the
                                       shared one's */

    as_route_kind route;
    bool router_bias;         /* the router's scores are w x + bias */
    bool correction;          /* slot ROUTER_CORRECTION is added to them for the choice alone */
    bool correction_may_lack; /* a checkpoint without it has none */
    bool by_token;  /* slot ROUTER_TABLE says which experts a token goes to; the scores weigh them alone */
    bool normalise; /* the chosen weights are divided by their sum */
    float norm_added, norm_least, norm_power, router_cap, jitter; /* as_route_args */
    float scale;                                                  /* on the weights; 0 means 1 */
    as_norm_spec router_norm;                                     /* before the router alone */
    float router_out_scale;                                       /* on its scores; 0 means 1 */
    float router_in_scale;                                        /* behind that norm; 0 means 1 */
    /* The router is a network of two layers of gelu, so wide, behind that norm; it reads a projection of its
     * input (slots ROUTER_IN, ROUTER_1 and ROUTER_2) to which that of the layer before is added, scaled. 0:
     * none */
    int64_t router_width;
    bool router_first; /* no layer is before */
    bool router_scale; /* slot ROUTER_SCALE: a further factor on the weights */
    bool expert_scale; /* slot EXPERT_SCALE: a further factor on the weights, each expert's own */
    int64_t groups, group_top;
    bool group_by_max;   /* a group counts by its best expert, else by its two best */
    bool groups_as_zero; /* as_route_args */

    as_mlp_spec shared; /* width 0: none */
    as_norm_spec shared_in_norm, shared_out_norm;
    bool shared_gate;   /* times sigmoid of slot SHARED_SIGMOID, [1, hidden] */
    float shared_scale; /* 0 means 1 */
} as_moe_spec;

extern const as_block as_block_moe;

/* What blocks with experts share. */
typedef struct as_router_weights {
    as_matrix matrix;
    const float *bias, *correction, *expert_scale; /* or NULL */
    as_linear in, first, second;                   /* of a network */
    as_affine_weights state;                       /* of what the layer before has left */
    const int32_t *table;                          /* [vocab, top_k] or NULL */
    float scale;
    as_norm_weights norm;
} as_router_weights;

/* The router in `slot`, with the bias and the correction that m asks for. */
AS_MUST_USE as_code as_bind_router(as_binder *binder, const as_model_spec *spec, const as_moe_spec *m,
                                   as_slot slot, as_router_weights *out, as_error *err);
/* Experts and weights of each row: ids and shares [N, top_k]. Takes as_pass_route_needs work floats a row. */
void as_pass_route(as_pass *pass, const as_moe_spec *m, const as_router_weights *router, const float *x,
                   int32_t *ids, float *shares);
int64_t as_pass_route_needs(const as_model_spec *spec, const as_moe_spec *m);
/* A product of each pair with its expert: args with w, bias, x_scale and x_block still to be filled. Takes
 * as_pass_linear_needs(columns) work floats for each row of x. */
void as_pass_experts(as_pass *pass, const as_expert_stack *stack, as_expert_matmul_args args);
/* y [N, hidden] = bias + the experts' outputs [N * top_k, hidden] by their shares; of latent experts the
 * latent width. */
void as_pass_combine(as_pass *pass, const as_moe_spec *m, const float *bias, const float *outputs,
                     const int32_t *ids, const float *shares, float *y);

#endif
