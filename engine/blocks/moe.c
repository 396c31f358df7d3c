/* Experts; see moe.h. */
#include "engine/blocks/moe.h"

#include <float.h>
#include <string.h>

typedef struct moe_weights {
    as_router_weights router;
    const float *out_bias;
    as_expert_stack gate, up, down;
    as_mlp_weights shared;
    as_linear sigmoid, latent_in, latent_out;
    as_norm_weights latent_norm, each_norm, in_norm, out_norm, shared_in_norm, shared_out_norm;
} moe_weights;

/* Width of what an expert reads and gives. */
static int64_t outer_width(const as_model_spec *spec, const as_moe_spec *m)
{
    return m->latent ? m->latent : spec->hidden;
}

/* The shared expert as a step of its own. */
static as_step shared_step(const as_moe_spec *m)
{
    return (as_step){.block = &as_block_mlp, .form = &m->shared};
}

static as_code bind_shared(as_binder *binder, const as_model_spec *spec, const as_moe_spec *m, moe_weights *w,
                           as_error *err)
{
    if (m->shared.width == 0) return AS_OK;
    as_step shared = shared_step(m);
    AS_TRY(as_bind_norm(binder, &m->shared_in_norm, spec->hidden, &w->shared_in_norm, err));
    AS_TRY(as_bind_norm(binder, &m->shared_out_norm, spec->hidden, &w->shared_out_norm, err));
    AS_TRY(as_block_mlp.bind(binder, spec, &shared, &w->shared, err));
    if (!m->shared_gate) return AS_OK;
    return as_bind_linear(binder, AS_SLOT_SHARED_SIGMOID, 1, spec->hidden, false, &w->sigmoid, err);
}

static as_code bind_latent(as_binder *binder, const as_model_spec *spec, const as_moe_spec *m, moe_weights *w,
                           as_error *err)
{
    if (!m->latent) return AS_OK;
    AS_TRY(as_bind_norm(binder, &m->latent_norm, m->latent, &w->latent_norm, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LATENT_IN, m->latent, spec->hidden, m->latent_bias, &w->latent_in,
                          err));
    return as_bind_linear(binder, AS_SLOT_LATENT_OUT, spec->hidden, m->latent, m->latent_bias, &w->latent_out,
                          err);
}

/* Experts that the router scores. */
static int64_t scored(const as_moe_spec *m)
{
    return m->experts + m->identity + m->joined;
}

/* The correction with numbers of its own behind the experts': for the joined ones one under which they are
 * always chosen. */
static as_code settle_correction(as_binder *binder, const as_moe_spec *m, const float **correction,
                                 as_error *err)
{
    float *all;
    if (!m->joined && m->identity_correction == 0) return AS_OK;
    AS_TRY(as_bind_floats(binder, scored(m), &all, err));
    for (int64_t e = 0; e < scored(m); e++) {
        bool identity = e >= m->experts && e < m->experts + m->identity;
        all[e] = e >= m->experts + m->identity             ? FLT_MAX / 2
                 : identity && m->identity_correction != 0 ? m->identity_correction
                 : *correction                             ? (*correction)[e]
                                                           : 0;
    }
    *correction = all;
    return AS_OK;
}

/* A stack of experts and, behind them, the joined ones. */
static as_code bind_stack(as_binder *binder, const as_moe_spec *m, as_slot slot, as_slot joined, int64_t rows,
                          int64_t cols, as_expert_stack *out, as_error *err)
{
    AS_TRY(as_bind_experts(binder, slot, m->experts, rows, cols, m->bias, out, err));
    if (!m->joined) return AS_OK;
    as_expert_stack more;
    AS_TRY(as_bind_stack(binder, joined, m->joined, rows, cols, &more, err));
    return as_bind_joined_stacks(binder, out, m->experts, &more, m->joined, err);
}

/* What the router's last matrix reads. */
static int64_t router_width(const as_model_spec *spec, const as_moe_spec *m)
{
    return m->router_width ? m->router_width : spec->hidden;
}

static as_code bind_network(as_binder *binder, const as_model_spec *spec, const as_moe_spec *m,
                            as_router_weights *w, as_error *err)
{
    int64_t width = m->router_width;
    as_affine_spec state = {.scale = AS_SLOT_ROUTER_STATE_SCALE};
    AS_TRY(as_bind_linear(binder, AS_SLOT_ROUTER_IN, width, spec->hidden, true, &w->in, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_ROUTER_1, width, width, true, &w->first, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_ROUTER_2, width, width, true, &w->second, err));
    return m->router_first ? AS_OK : as_bind_affine(binder, &state, width, &w->state, err);
}

as_code as_bind_router(as_binder *binder, const as_model_spec *spec, const as_moe_spec *m, as_slot slot,
                       as_router_weights *out, as_error *err)
{
    as_router_weights w = {.bias = NULL};
    int64_t experts = scored(m);
    w.scale = 1;
    if (m->router_scale) AS_TRY(as_bind_number(binder, AS_SLOT_ROUTER_SCALE, "", &w.scale, err));
    int64_t width = router_width(spec, m);
    if (m->router_width) AS_TRY(bind_network(binder, spec, m, &w, err));
    AS_TRY(as_bind_norm(binder, &m->router_norm, width, &w.norm, err));
    AS_TRY(as_bind_matrix(binder, slot, experts, width, &w.matrix, err));
    if (m->expert_scale)
        AS_TRY(as_bind_vector(binder, AS_SLOT_EXPERT_SCALE, ".weight", experts, &w.expert_scale, err));
    if (m->router_bias) AS_TRY(as_bind_vector(binder, slot, ".bias", experts, &w.bias, err));
    bool lacks = m->correction_may_lack && !as_binder_has(binder, AS_SLOT_ROUTER_CORRECTION, "");
    if (m->correction && !lacks)
        AS_TRY(
            as_bind_vector(binder, AS_SLOT_ROUTER_CORRECTION, "", experts - m->joined, &w.correction, err));
    AS_TRY(settle_correction(binder, m, &w.correction, err));
    if (m->by_token) {
        as_index_table want = {
            .slot = AS_SLOT_ROUTER_TABLE, .rows = spec->vocab, .cols = m->top_k, .limit = experts};
        AS_TRY(as_bind_indices(binder, &want, &w.table, err));
    }
    *out = w;
    return AS_OK;
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_moe_spec *m = step->form;
    moe_weights *w = weights;
    int64_t hidden = outer_width(spec, m);
    AS_TRY(bind_latent(binder, spec, m, w, err));
    AS_TRY(as_bind_router(binder, spec, m, AS_SLOT_ROUTER, &w->router, err));
    AS_TRY(as_bind_norm(binder, &m->each_norm, hidden, &w->each_norm, err));
    AS_TRY(as_bind_norm(binder, &m->in_norm, spec->hidden, &w->in_norm, err));
    AS_TRY(as_bind_norm(binder, &m->out_norm, spec->hidden, &w->out_norm, err));
    if (m->gated)
        AS_TRY(
            bind_stack(binder, m, AS_SLOT_EXPERT_GATE, AS_SLOT_SHARED_GATE, m->width, hidden, &w->gate, err));
    AS_TRY(bind_stack(binder, m, AS_SLOT_EXPERT_UP, AS_SLOT_SHARED_UP, m->width, hidden, &w->up, err));
    AS_TRY(bind_stack(binder, m, AS_SLOT_EXPERT_DOWN, AS_SLOT_SHARED_DOWN, hidden, m->width, &w->down, err));
    if (m->out_bias) AS_TRY(as_bind_vector(binder, AS_SLOT_EXPERT_BIAS, "", hidden, &w->out_bias, err));
    return bind_shared(binder, spec, m, w, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_moe_spec *m = step->form;
    /* Beside the gates: the ups, the weighed and the rounded input; then the rounded gates and the outputs.
     */
    int64_t width = outer_width(spec, m);
    int64_t input = m->weigh_input ? m->top_k * (width + as_pass_linear_needs(width))
                                   : as_pass_linear_needs(spec->hidden);
    if (m->gate_cap > 0 && input < m->top_k * m->width) input = m->top_k * m->width;
    int64_t before = m->top_k * m->width + input,
            after = m->top_k * (as_pass_linear_needs(m->width) + width) + m->latent;
    int64_t normed = m->in_norm.present ? spec->hidden : 0;
    as_block_needs result = {.row = as_pass_route_needs(spec, m) + normed + 2 * m->top_k +
                                    m->top_k * m->width + 2 * m->latent + (before > after ? before : after)};
    if (m->shared.width) {
        as_step shared = shared_step(m);
        int64_t row =
            as_block_mlp.needs(spec, &shared).row + (m->shared_in_norm.present ? 2 : 1) * spec->hidden + 1;
        if (row > result.row) result.row = row;
    }
    return result;
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_moe_spec *m = step->form;
    double routed = (double)((m->gated ? 3 : 2) * m->top_k * m->width) * (double)outer_width(spec, m);
    int64_t width = scored(m) + 2 * m->latent;
    if (m->shared.width) width += (m->shared.gated ? 3 : 2) * m->shared.width + m->shared_gate;
    return (as_block_cost){.products = routed + (double)spec->hidden * (double)width,
                           .experts = m->experts,
                           .used = m->top_k - m->joined};
}

void as_pass_experts(as_pass *pass, const as_expert_stack *stack, as_expert_matmul_args args)
{
    const as_activation_rounding *rounding = &stack->rounding;
    int64_t mark = pass->work_used, rows = args.n / args.rows_per_x, width = stack->w->cols;
    args.w = stack->w;
    args.bias = stack->bias;
    if (rounding->on) {
        int64_t blocks =
            rounding->kind == AS_QUANT_BLOCK ? (width + rounding->block - 1) / rounding->block : 1;
        float *out = as_pass_floats(pass, rows * width), *scale = as_pass_floats(pass, rows * blocks);
        pass->ops->quantize_rows(&pass->exec, &(as_quantize_rows_args){.kind = rounding->kind,
                                                                       .x = args.x,
                                                                       .out = out,
                                                                       .n = rows,
                                                                       .width = width,
                                                                       .x_stride = args.x_stride,
                                                                       .out_stride = width,
                                                                       .block = rounding->block,
                                                                       .scale = scale});
        args.x = out;
        args.x_stride = width;
        args.x_scale = scale;
        args.x_block = rounding->kind == AS_QUANT_BLOCK ? rounding->block : 0;
    }
    pass->ops->expert_matmul(&pass->exec, &args);
    pass->work_used = mark;
}

int64_t as_pass_route_needs(const as_model_spec *spec, const as_moe_spec *m)
{
    int64_t network =
        m->router_width
            ? 2 * m->router_width +
                  as_pass_linear_needs(spec->hidden > m->router_width ? spec->hidden : m->router_width)
            : 0;
    return scored(m) + (m->router_norm.present ? spec->hidden : 0) + network;
}

static void norm_rows(as_pass *pass, const as_norm_spec *norm, const as_norm_weights *weights, const float *x,
                      float *y)
{
    int64_t hidden = pass->spec->hidden;
    if (norm->present) as_pass_norm(pass, norm, weights, x, hidden, y, hidden, 1, hidden);
}

/* The rows normed, or as they are where the norm is none. */
static const float *normed_input(as_pass *pass, const as_norm_spec *norm, const as_norm_weights *weights,
                                 const float *x)
{
    if (!norm->present) return x;
    float *out = as_pass_floats(pass, pass->rows * pass->spec->hidden);
    norm_rows(pass, norm, weights, x, out);
    return out;
}

static void gelu(as_pass *pass, float *x, int64_t width)
{
    as_pass_activate(pass, AS_ACT_GELU, x, width);
}

/* What the router's last matrix reads, of a network; its state is carried to the next layer. */
static const float *run_network(as_pass *pass, const as_moe_spec *m, const as_router_weights *w,
                                const float *x)
{
    int64_t width = m->router_width, stride = pass->spec->carried;
    float *state = as_pass_floats(pass, pass->rows * width),
          *other = as_pass_floats(pass, pass->rows * width);
    as_pass_linear(pass, &w->in, x, pass->spec->hidden, state, width);
    if (!m->router_first) {
        as_pass_copy_groups(pass, 1, width, pass->carried, 0, stride, other, width);
        as_pass_affine(pass, &w->state, other, width);
        pass->ops->add(&pass->exec, &(as_add_args){.x = other,
                                                   .out = state,
                                                   .n = pass->rows,
                                                   .width = width,
                                                   .x_stride = width,
                                                   .out_stride = width,
                                                   .scale = 1,
                                                   .out_scale = 1});
    }
    as_pass_copy_groups(pass, 1, width, state, 0, width, pass->carried, stride);
    as_pass_norm(pass, &m->router_norm, &w->norm, state, width, state, width, 1, width);
    as_pass_linear(pass, &w->first, state, width, other, width);
    gelu(pass, other, width);
    as_pass_linear(pass, &w->second, other, width, state, width);
    gelu(pass, state, width);
    return state;
}

/* router_in_scale * router_norm(x) */
static const float *router_input(as_pass *pass, const as_moe_spec *m, const as_router_weights *w,
                                 const float *x)
{
    int64_t hidden = pass->spec->hidden;
    if (m->router_width) return run_network(pass, m, w, x);
    if (!m->router_norm.present) return x;
    float *out = as_pass_floats(pass, pass->rows * hidden);
    norm_rows(pass, &m->router_norm, &w->norm, x, out);
    as_pass_scale(pass, m->router_in_scale, out, hidden, hidden);
    return out;
}

void as_pass_route(as_pass *pass, const as_moe_spec *m, const as_router_weights *w, const float *x,
                   int32_t *ids, float *shares)
{
    int64_t mark = pass->work_used, n = pass->rows, experts = scored(m);
    float *scores = as_pass_floats(pass, n * experts);
    x = router_input(pass, m, w, x);
    pass->ops->matmul(&pass->exec, &(as_matmul_args){.w = &w->matrix,
                                                     .x = x,
                                                     .n = n,
                                                     .x_stride = router_width(pass->spec, m),
                                                     .bias = w->bias,
                                                     .out = scores,
                                                     .out_stride = experts});
    as_pass_scale(pass, m->router_out_scale, scores, experts, experts);
    for (int64_t i = 0; w->table && i < n; i++) {
        memcpy(ids + i * m->top_k, w->table + pass->tokens[i] * m->top_k, (size_t)m->top_k * sizeof *ids);
    }
    pass->ops->route(&pass->exec, &(as_route_args){.kind = m->route,
                                                   .given = w->table != NULL,
                                                   .scores = scores,
                                                   .bias = w->correction,
                                                   .n = n,
                                                   .experts = experts,
                                                   .top_k = m->top_k,
                                                   .groups = m->groups,
                                                   .group_top = m->group_top,
                                                   .group_by_max = m->group_by_max,
                                                   .groups_as_zero = m->groups_as_zero,
                                                   .normalise = m->normalise,
                                                   .norm_added = m->norm_added,
                                                   .norm_least = m->norm_least,
                                                   .norm_power = m->norm_power,
                                                   .cap = m->router_cap,
                                                   .jitter = m->jitter,
                                                   .scale = (m->scale != 0 ? m->scale : 1) * w->scale,
                                                   .ids = ids,
                                                   .weights = shares});
    for (int64_t i = 0; w->expert_scale && i < n * m->top_k; i++) shares[i] *= w->expert_scale[ids[i]];
    pass->work_used = mark;
}

/* Rows of pairs that go to no matrix: zero, or a copy of what the expert was given. */
static void fill_identity(const as_pass *pass, const as_moe_spec *m, const int32_t *ids, const float *x,
                          float *rows, int64_t width)
{
    for (int64_t i = 0; m->identity && i < pass->rows * m->top_k; i++) {
        if (ids[i] < m->experts) continue;
        if (x) {
            memcpy(rows + i * width, x + i / m->top_k * width, (size_t)width * sizeof *rows);
        } else {
            memset(rows + i * width, 0, (size_t)width * sizeof *rows);
        }
    }
}

/* What the experts are given: the rows as they are, or a copy for each pair times its weight, which is then
 * spent. */
static void set_inputs(as_pass *pass, const as_moe_spec *m, const float *x, float *shares,
                       as_expert_matmul_args *product)
{
    int64_t hidden = outer_width(pass->spec, m), pairs = pass->rows * m->top_k;
    product->x = x;
    product->x_stride = hidden;
    product->rows_per_x = m->top_k;
    if (!m->weigh_input) return;
    float *copies = as_pass_floats(pass, pairs * hidden);
    for (int64_t i = 0; i < pairs; i++) {
        memcpy(copies + i * hidden, x + i / m->top_k * hidden, (size_t)hidden * sizeof *x);
    }
    pass->ops->scale_groups(&pass->exec, &(as_scale_groups_args){.factors = shares,
                                                                 .factor_stride = 1,
                                                                 .x = copies,
                                                                 .n = pairs,
                                                                 .groups = 1,
                                                                 .width = hidden,
                                                                 .stride = hidden});
    for (int64_t i = 0; i < pairs; i++) shares[i] = 1;
    product->x = copies;
    product->rows_per_x = 1;
}

/* up = cap(gate) cap(up), the rest of the unit being a sigmoid of the gate. */
static void cap_units(as_pass *pass, const as_moe_spec *m, const float *gate, float *up)
{
    int64_t pairs = pass->rows * m->top_k, mark = pass->work_used, width = m->width;
    float *capped = as_pass_floats(pass, pairs * width);
    memcpy(capped, gate, (size_t)(pairs * width) * sizeof *capped);
    as_cap_args cap = {
        .x = capped, .n = pairs, .width = width, .stride = width, .cap = m->gate_cap, .scale = 1};
    pass->ops->cap(&pass->exec, &cap);
    cap.x = up;
    cap.cap = m->up_cap;
    pass->ops->cap(&pass->exec, &cap);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = AS_ACT_NONE,
                                                 .a = capped,
                                                 .b = up,
                                                 .out = up,
                                                 .n = pairs,
                                                 .width = width,
                                                 .a_stride = width,
                                                 .b_stride = width,
                                                 .out_stride = width});
    pass->work_used = mark;
}

/* The experts' inner activations into inner [N * top_k, width]. */
static void enter(as_pass *pass, const as_moe_spec *m, const moe_weights *w, const float *x,
                  const int32_t *ids, float *shares, float *inner)
{
    int64_t mark = pass->work_used, pairs = pass->rows * m->top_k;
    float *up = m->gated ? as_pass_floats(pass, pairs * m->width) : inner;
    as_expert_matmul_args product = {
        .experts = m->experts + m->joined, .ids = ids, .n = pairs, .out = up, .out_stride = m->width};
    fill_identity(pass, m, ids, NULL, inner, m->width);
    if (m->gated) fill_identity(pass, m, ids, NULL, up, m->width);
    set_inputs(pass, m, x, shares, &product);
    as_pass_experts(pass, &w->up, product);
    if (m->gated) {
        product.out = inner;
        as_pass_experts(pass, &w->gate, product);
    }
    if (m->gate_cap > 0) cap_units(pass, m, inner, up);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = m->gate_cap > 0 ? AS_ACT_SIGMOID : m->act,
                                                 .limit = m->limit,
                                                 .limit_act = m->limit_act,
                                                 .b_offset = m->up_offset,
                                                 .slope = m->slope,
                                                 .a = inner,
                                                 .b = m->gated ? up : NULL,
                                                 .out = inner,
                                                 .n = pairs,
                                                 .width = m->width,
                                                 .a_stride = m->width,
                                                 .b_stride = m->width,
                                                 .out_stride = m->width});
    pass->work_used = mark;
}

static void add_shared(as_pass *pass, const as_moe_spec *m, const moe_weights *w, const float *x, float *y)
{
    int64_t hidden = pass->spec->hidden;
    as_step step = shared_step(m);
    float *out = as_pass_floats(pass, pass->rows * hidden), *factor = as_pass_floats(pass, pass->rows);
    x = normed_input(pass, &m->shared_in_norm, &w->shared_in_norm, x);
    as_block_mlp.forward(pass, &step, &w->shared, x, out);
    norm_rows(pass, &m->shared_out_norm, &w->shared_out_norm, out, out);
    if (m->shared_gate) {
        as_pass_linear(pass, &w->sigmoid, x, hidden, factor, 1);
        pass->ops->scale_groups(&pass->exec, &(as_scale_groups_args){.act = AS_ACT_SIGMOID,
                                                                     .factors = factor,
                                                                     .factor_stride = 1,
                                                                     .x = out,
                                                                     .n = pass->rows,
                                                                     .groups = 1,
                                                                     .width = hidden,
                                                                     .stride = hidden});
    }
    pass->ops->add(&pass->exec, &(as_add_args){.x = out,
                                               .out = y,
                                               .n = pass->rows,
                                               .width = hidden,
                                               .x_stride = hidden,
                                               .out_stride = hidden,
                                               .scale = m->shared_scale != 0 ? m->shared_scale : 1,
                                               .out_scale = 1});
}

void as_pass_combine(as_pass *pass, const as_moe_spec *m, const float *bias, const float *outputs,
                     const int32_t *ids, const float *shares, float *y)
{
    int64_t hidden = outer_width(pass->spec, m);
    memset(y, 0, (size_t)(pass->rows * hidden) * sizeof *y);
    for (int64_t i = 0; bias && i < pass->rows; i++) {
        memcpy(y + i * hidden, bias, (size_t)hidden * sizeof *y);
    }
    pass->ops->expert_combine(&pass->exec, &(as_expert_combine_args){.x = outputs,
                                                                     .weights = shares,
                                                                     .ids = ids,
                                                                     .n = pass->rows,
                                                                     .top_k = m->top_k,
                                                                     .width = hidden,
                                                                     .x_stride = hidden,
                                                                     .out_stride = hidden,
                                                                     .out = y});
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_moe_spec *m = step->form;
    const moe_weights *w = weights;
    int64_t hidden = outer_width(pass->spec, m), n = pass->rows, pairs = n * m->top_k, mark = pass->work_used;
    float *latent = m->latent ? as_pass_floats(pass, n * m->latent) : NULL;
    float *shares = as_pass_floats(pass, pairs);
    int32_t *ids = (int32_t *)as_pass_floats(pass, pairs);
    float *inner = as_pass_floats(pass, pairs * m->width);
    as_pass_route(pass, m, &w->router, x, ids, shares);
    const float *in = normed_input(pass, &m->in_norm, &w->in_norm, x);
    if (latent) as_pass_linear(pass, &w->latent_in, in, pass->spec->hidden, latent, m->latent);
    if (m->latent_norm.present)
        as_pass_norm(pass, &m->latent_norm, &w->latent_norm, latent, hidden, latent, hidden, 1, hidden);
    enter(pass, m, w, latent ? latent : in, ids, shares, inner);
    float *down = as_pass_floats(pass, pairs * hidden);
    as_pass_experts(pass, &w->down,
                    (as_expert_matmul_args){.experts = m->experts + m->joined,
                                            .ids = ids,
                                            .n = pairs,
                                            .rows_per_x = 1,
                                            .x = inner,
                                            .x_stride = m->width,
                                            .out = down,
                                            .out_stride = hidden});
    fill_identity(pass, m, ids, m->identity_is_zero ? NULL : in, down, hidden);
    if (m->each_norm.present) {
        int64_t all = m->top_k * hidden;
        as_pass_norm(pass, &m->each_norm, &w->each_norm, down, all, down, all, m->top_k, hidden);
    }
    as_pass_combine(pass, m, w->out_bias, down, ids, shares, latent ? latent : y);
    if (latent) as_pass_linear(pass, &w->latent_out, latent, m->latent, y, pass->spec->hidden);
    norm_rows(pass, &m->out_norm, &w->out_norm, y, y);
    pass->work_used = mark;
    if (m->shared.width) add_shared(pass, m, w, x, y);
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    static const char *const routes[] = {[AS_ROUTE_SOFTMAX] = "softmax",
                                         [AS_ROUTE_SOFTMAX_TOPK] = "softmax of the chosen",
                                         [AS_ROUTE_SIGMOID] = "sigmoid",
                                         [AS_ROUTE_SQRT_SOFTPLUS] = "sqrt softplus"};
    const as_moe_spec *m = step->form;
    (void)spec;
    as_buf_printf(out, "%lld of %lld, %s%s %lld", (long long)m->top_k, (long long)(m->experts + m->joined),
                  m->gated ? "gated " : "", as_activation_name(m->act), (long long)m->width);
    bool named = (size_t)m->route < sizeof routes / sizeof routes[0] && routes[m->route];
    if (named) as_buf_printf(out, ", %s", routes[m->route]);
    if (m->by_token) as_buf_str(out, ", chosen by token");
    if (m->groups > 1) {
        as_buf_printf(out, ", %lld of %lld groups", (long long)m->group_top, (long long)m->groups);
    }
    if (m->correction) as_buf_str(out, ", corrected choice");
    if (m->latent) as_buf_printf(out, ", latent %lld", (long long)m->latent);
    if (m->joined) as_buf_printf(out, ", %lld of them always", (long long)m->joined);
    if (m->shared.width) as_buf_printf(out, ", shared %lld", (long long)m->shared.width);
}

const as_block as_block_moe = {
    .name = "experts",
    .form_size = sizeof(as_moe_spec),
    .weights_size = sizeof(moe_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
