/* Hashed n-grams; see ngram.h. */
#include "engine/blocks/ngram.h"

#include <math.h>
#include <string.h>

#include "engine/blocks/gated_streams.h"

/* Parts of the state: the tokens before (plus one; 0: there is none), and the convolution's inputs. */
enum { TOKENS, CONV };

typedef struct ngram_weights {
    const as_matrix *table; /* [height] rows each */
    int64_t height;
    int64_t factors[AS_MOST_NGRAM], sizes[AS_MOST_NGRAM_HEADS], offsets[AS_MOST_NGRAM_HEADS];
    as_linear key, value;
    as_norm_weights key_norm, query_norm, conv_norm;
    const float *conv;  /* [streams * hidden, reach]: zeros between the taps */
    const float *share; /* [hidden]: 1 / sqrt(hidden) */
    const float *one;
} ngram_weights;

/* Taps of the convolution with the tokens between them. */
static int64_t reach_of(const as_ngram_spec *g)
{
    return (g->taps - 1) * g->orders + 1;
}

/* ---- weights ---------------------------------------------------------------------------------------------
 */

static as_code bind_hash(as_binder *binder, const as_ngram_spec *g, ngram_weights *w, as_error *err)
{
    memcpy(w->factors, g->factors, (size_t)g->orders * sizeof *w->factors);
    memcpy(w->sizes, g->sizes, (size_t)g->heads * sizeof *w->sizes);
    memcpy(w->offsets, g->offsets, (size_t)g->heads * sizeof *w->offsets);
    AS_TRY(as_bind_integers(binder, AS_SLOT_NGRAM_FACTORS, g->orders, w->factors, err));
    AS_TRY(as_bind_integers(binder, AS_SLOT_NGRAM_SIZES, g->heads, w->sizes, err));
    AS_TRY(as_bind_integers(binder, AS_SLOT_NGRAM_OFFSETS, g->heads, w->offsets, err));
    for (int64_t h = 0; h < g->heads; h++) {
        int64_t size = w->sizes[h], offset = w->offsets[h];
        if (size > 0 && offset >= 0 && size <= g->rows && offset <= g->rows - size) continue;
        return as_fail(
            err, AS_E_INPUT,
            "tensors of the hash: the n-gram embedding has %lld rows, of which head %lld takes %lld from "
            "row %lld",
            (long long)g->rows, (long long)h, (long long)size, (long long)offset);
    }
    return AS_OK;
}

static as_code bind_conv(as_binder *binder, const as_model_spec *spec, const as_ngram_spec *g,
                         ngram_weights *w, as_error *err)
{
    int64_t channels = g->streams * spec->hidden, reach = reach_of(g);
    const float *taps;
    float *spread;
    AS_TRY(as_bind_vector(binder, AS_SLOT_NGRAM_CONV, ".weight", channels * g->taps, &taps, err));
    AS_TRY(as_bind_floats(binder, channels * reach, &spread, err));
    for (int64_t i = 0; i < channels * g->taps; i++) {
        spread[i / g->taps * reach + i % g->taps * g->orders] = taps[i];
    }
    w->conv = spread;
    return AS_OK;
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_ngram_spec *g = step->form;
    ngram_weights *w = weights;
    int64_t hidden = spec->hidden, all = g->streams * hidden, row = g->width / g->heads;
    float *share, *one;
    AS_TRY(bind_hash(binder, g, w, err));
    bool whole = as_binder_has(binder, AS_SLOT_NGRAM_EMBED, ".weight");
    AS_TRY(as_bind_rows(binder, whole ? AS_SLOT_NGRAM_EMBED : AS_SLOT_NGRAM_EMBED_PART, g->rows, row,
                        whole ? 1 : g->parts, &w->table, &w->height, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_NGRAM_KEY, all, g->width, false, &w->key, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_NGRAM_VALUE, hidden, g->width, false, &w->value, err));
    AS_TRY(as_bind_norm(binder, &g->key_norm, all, &w->key_norm, err));
    AS_TRY(as_bind_norm(binder, &g->query_norm, all, &w->query_norm, err));
    AS_TRY(as_bind_norm(binder, &g->conv_norm, all, &w->conv_norm, err));
    AS_TRY(bind_conv(binder, spec, g, w, err));
    AS_TRY(as_bind_floats(binder, hidden, &share, err));
    for (int64_t i = 0; i < hidden; i++) share[i] = (float)(1 / sqrt((double)hidden));
    w->share = share;
    AS_TRY(as_bind_floats(binder, 1, &one, err));
    one[0] = 1;
    w->one = one;
    return AS_OK;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_ngram_spec *g = step->form;
    int64_t all = g->streams * spec->hidden;
    return (as_block_needs){.state = {[TOKENS] = g->orders - 1, [CONV] = all * (reach_of(g) - 1)},
                            .row = g->width + g->heads + 2 * all + spec->hidden + g->streams +
                                   as_pass_linear_needs(g->width)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_ngram_spec *g = step->form;
    double hidden = (double)spec->hidden, all = (double)g->streams * hidden;
    return (as_block_cost){.products = (all + hidden) * (double)g->width + all * (double)(g->taps + 2),
                           .table = (double)g->rows * (double)(g->width / g->heads)};
}

/* ---- the hash --------------------------------------------------------------------------------------------
 */

/* The row's tokens, the last first; `before` has those before the span, the last first. */
static void last_tokens(const as_ngram_spec *g, const int32_t *span_tokens, int64_t row, const float *before,
                        int64_t *out)
{
    bool ended = false;
    out[0] = span_tokens[row];
    for (int64_t s = 1; s < g->orders; s++) {
        float kept = row < s ? before[s - row - 1] : 0;
        int64_t token = row >= s ? span_tokens[row - s] : kept > 0 ? (int64_t)kept - 1 : g->end;
        ended = ended || token == g->end;
        out[s] = ended ? g->end : token;
    }
}

/* Which row of the table each head takes. Products wrap, as those of int64 do elsewhere. */
static void hash(const as_ngram_spec *g, const ngram_weights *w, const int64_t *tokens, int32_t *rows)
{
    int64_t each = g->heads / (g->orders - 1);
    uint64_t mixed = (uint64_t)tokens[0] * (uint64_t)w->factors[0];
    for (int64_t order = 1; order < g->orders; order++) {
        mixed ^= (uint64_t)tokens[order] * (uint64_t)w->factors[order];
        for (int64_t h = (order - 1) * each; h < order * each; h++) {
            int64_t rest = (int64_t)mixed % w->sizes[h];
            rows[h] = (int32_t)(w->offsets[h] + (rest < 0 ? rest + w->sizes[h] : rest));
        }
    }
}

/* Keeps a span's last tokens for the pass that goes on with its sequence. */
static void keep_tokens(const as_ngram_spec *g, const int32_t *tokens, int64_t count, float *kept)
{
    int64_t most = g->orders - 1, fresh = count < most ? count : most;
    memmove(kept + fresh, kept, (size_t)(most - fresh) * sizeof *kept);
    for (int64_t i = 0; i < fresh; i++) kept[i] = (float)tokens[count - 1 - i] + 1;
}

static void hash_tokens(as_pass *pass, const as_ngram_spec *g, const ngram_weights *w, int32_t *rows)
{
    int64_t tokens[AS_MOST_NGRAM];
    for (int64_t i = 0; i < pass->span_count; i++) {
        const as_span *span = &pass->spans[i];
        const int32_t *of = pass->tokens + span->first;
        float *kept = pass->state[TOKENS] + span->state * (g->orders - 1);
        for (int64_t r = 0; r < span->count; r++) {
            last_tokens(g, of, r, kept, tokens);
            hash(g, w, tokens, rows + (span->first + r) * g->heads);
        }
        keep_tokens(g, of, span->count, kept);
    }
}

/* Runs of rows that stand in the same part of the table at once. */
static void look_up(as_pass *pass, const as_ngram_spec *g, const ngram_weights *w, int32_t *rows, float *out)
{
    int64_t count = pass->rows * g->heads, row = g->width / g->heads;
    for (int64_t first = 0, end; first < count; first = end) {
        int64_t part = rows[first] / w->height;
        for (end = first; end < count && rows[end] / w->height == part; end++) {
            rows[end] -= (int32_t)(part * w->height);
        }
        pass->ops->embed(&pass->exec, &(as_embed_args){.matrix = &w->table[part],
                                                       .tokens = rows + first,
                                                       .n = end - first,
                                                       .scale = 1,
                                                       .out = out + first * row,
                                                       .out_stride = row});
    }
}

/* ---- forward ---------------------------------------------------------------------------------------------
 */

static void add_to_streams(as_pass *pass, const as_ngram_spec *g, const float *x)
{
    int64_t all = g->streams * pass->spec->hidden;
    pass->ops->add(&pass->exec, &(as_add_args){.x = x,
                                               .out = pass->carried + g->at,
                                               .n = pass->rows,
                                               .width = all,
                                               .x_stride = all,
                                               .out_stride = pass->spec->carried,
                                               .scale = 1,
                                               .out_scale = 1});
}

/* The streams' gates before the sigmoid, [N, streams], of keys and normalised streams. */
static void weigh(as_pass *pass, const as_ngram_spec *g, const ngram_weights *w, const float *key,
                  const float *query, float *gate)
{
    int64_t hidden = pass->spec->hidden, count = pass->rows * g->streams;
    memset(gate, 0, (size_t)count * sizeof *gate);
    pass->ops->key_bonus(&pass->exec, &(as_key_bonus_args){.r = query,
                                                           .key = key,
                                                           .v = w->one,
                                                           .weight = w->share,
                                                           .out = gate,
                                                           .n = pass->rows * g->streams,
                                                           .heads = 1,
                                                           .width = hidden,
                                                           .value_width = 1,
                                                           .r_stride = hidden,
                                                           .key_stride = hidden,
                                                           .out_stride = 1});
    for (int64_t i = 0; i < count; i++) {
        float size = sqrtf(fmaxf(fabsf(gate[i]), 1e-6F));
        gate[i] = gate[i] > 0 ? size : gate[i] < 0 ? -size : gate[i];
    }
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_ngram_spec *g = step->form;
    const ngram_weights *w = weights;
    int64_t n = pass->rows, hidden = pass->spec->hidden, all = g->streams * hidden;
    float *found = as_pass_floats(pass, n * g->width), *value = as_pass_floats(pass, n * hidden);
    int32_t *rows = (int32_t *)(void *)as_pass_floats(pass, n * g->heads);
    float *key = as_pass_floats(pass, n * all), *other = as_pass_floats(pass, n * all);
    float *gate = as_pass_floats(pass, n * g->streams);
    (void)x;
    (void)y;
    hash_tokens(pass, g, w, rows);
    look_up(pass, g, w, rows, found);
    as_pass_linear(pass, &w->key, found, g->width, key, all);
    as_pass_linear(pass, &w->value, found, g->width, value, hidden);
    as_pass_norm_streams(pass, &g->key_norm, &w->key_norm, key, all, key, g->streams);
    as_pass_norm_streams(pass, &g->query_norm, &w->query_norm, pass->carried + g->at, pass->spec->carried,
                         other, g->streams);
    weigh(pass, g, w, key, other, gate);
    float *gated = key;
    as_pass_copy_groups(pass, g->streams, hidden, value, 0, hidden, gated, all);
    pass->ops->scale_groups(&pass->exec, &(as_scale_groups_args){.act = AS_ACT_SIGMOID,
                                                                 .factors = gate,
                                                                 .factor_stride = g->streams,
                                                                 .x = gated,
                                                                 .n = n,
                                                                 .groups = g->streams,
                                                                 .width = hidden,
                                                                 .stride = all});
    as_pass_norm_streams(pass, &g->conv_norm, &w->conv_norm, gated, all, other, g->streams);
    as_conv conv = {.weight = w->conv, .taps = reach_of(g), .act = AS_ACT_SILU};
    as_pass_convolve(pass, &conv, pass->state[CONV], other, all, all);
    add_to_streams(pass, g, gated);
    add_to_streams(pass, g, other);
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_ngram_spec *g = step->form;
    (void)spec;
    as_buf_printf(out, "up to %lld tokens, %lld rows of %lld in a table of %lld, %lld taps",
                  (long long)g->orders, (long long)g->heads, (long long)(g->width / g->heads),
                  (long long)g->rows, (long long)g->taps);
}

const as_block as_block_ngram = {
    .name = "hashed n-grams",
    .form_size = sizeof(as_ngram_spec),
    .weights_size = sizeof(ngram_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
