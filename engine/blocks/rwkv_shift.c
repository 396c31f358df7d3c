/* What RWKV's blocks share; see rwkv_shift.h. */
#include "engine/blocks/rwkv_shift.h"

as_shifted as_rwkv_shift(as_pass *pass, const float *x, float *state)
{
    int64_t hidden = pass->spec->hidden;
    float *before = as_pass_floats(pass, pass->rows * hidden);
    pass->ops->token_shift(&pass->exec, &(as_token_shift_args){.x = x,
                                                               .out = before,
                                                               .width = hidden,
                                                               .x_stride = hidden,
                                                               .out_stride = hidden,
                                                               .state = state,
                                                               .spans = pass->spans,
                                                               .span_count = pass->span_count});
    return (as_shifted){.x = x, .before = before};
}

void as_rwkv_mix(as_pass *pass, const as_shifted *rows, as_share kind, const float *share,
                 const float *amount, int64_t amount_stride, float *out)
{
    int64_t hidden = pass->spec->hidden;
    bool self = kind == AS_SHARE_OF_SELF;
    pass->ops->mix(&pass->exec, &(as_mix_args){.x = self ? rows->before : rows->x,
                                               .y = self ? rows->x : rows->before,
                                               .out = out,
                                               .weight = share,
                                               .amount = amount,
                                               .n = pass->rows,
                                               .width = hidden,
                                               .x_stride = hidden,
                                               .y_stride = hidden,
                                               .out_stride = hidden,
                                               .amount_stride = amount_stride});
}

enum { LEAST_MOST_RANK = 512 };

int64_t as_rwkv_most_rank(const as_model_spec *spec)
{
    return spec->hidden > LEAST_MOST_RANK ? spec->hidden : LEAST_MOST_RANK;
}

as_code as_rwkv_rank(as_binder *binder, const as_model_spec *spec, as_slot slot, int64_t per_rank,
                     int64_t usual, int64_t *out, as_error *err)
{
    int64_t elements = as_binder_elements(binder, slot, ".weight");
    int64_t rank = elements ? elements / per_rank : usual;
    if (rank < 1 || rank > as_rwkv_most_rank(spec)) {
        return as_fail(err, AS_E_UNSUPPORTED, "the %s has rank %lld, expected 1 to %lld", as_slot_name(slot),
                       (long long)rank, (long long)as_rwkv_most_rank(spec));
    }
    *out = rank;
    return AS_OK;
}

void as_rwkv_head_norm(as_pass *pass, const as_norm_weights *weights, int64_t heads, int64_t width, float eps,
                       float *x)
{
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = AS_NORM_LAYER,
                                                 .in = x,
                                                 .out = x,
                                                 .n = pass->rows,
                                                 .groups = heads,
                                                 .width = width,
                                                 .in_stride = heads * width,
                                                 .out_stride = heads * width,
                                                 .weight = weights->weight,
                                                 .bias = weights->bias,
                                                 .eps = eps,
                                                 .weight_per_group = true});
}
