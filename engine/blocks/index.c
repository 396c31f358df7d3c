/* The choice of keys by an index; see index.h. */
#include "engine/blocks/index.h"

#include <math.h>

void as_pass_index(as_pass *pass, const as_index_choice *c)
{
    int64_t hidden = pass->spec->hidden, width = c->heads * c->width, mark = pass->work_used;
    float *weights = as_pass_floats(pass, pass->rows * c->heads);
    pass->ops->matmul(&pass->exec, &(as_matmul_args){.w = c->weights,
                                                     .x = c->x,
                                                     .n = pass->rows,
                                                     .x_stride = hidden,
                                                     .out = weights,
                                                     .out_stride = c->heads});
    pass->ops->cap(&pass->exec, &(as_cap_args){.x = weights,
                                               .n = pass->rows,
                                               .width = c->heads,
                                               .stride = c->heads,
                                               .scale = (float)(1 / sqrt((double)width))});
    pass->ops->index_keys(&pass->exec, &(as_index_keys_args){.cache = pass->index,
                                                             .q = c->q,
                                                             .weights = weights,
                                                             .q_stride = width,
                                                             .weight_stride = c->heads,
                                                             .heads = c->heads,
                                                             .top = c->top,
                                                             .every = c->every,
                                                             .keys = c->keys,
                                                             .key_stride = c->key_stride,
                                                             .spans = pass->spans,
                                                             .span_count = pass->span_count});
    pass->work_used = mark;
}
