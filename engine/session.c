/* Sessions: memory for a number of sequences, and the forward pass over a batch of them. */
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/kv.h"
#include "engine/rope.h"

enum {
    DEFAULT_CHUNK = 512,
    DEFAULT_CACHE = 32768,
    MOST_CHUNK = 8192,
    MOST_SEQUENCES = 65536,
    LOGIT_BYTES = 32 << 20, /* of one block of logits rows */
    WORK_BYTES = 128 << 20, /* of all else that grows with the chunk, unless a chunk is asked for */
    LEAST_CHUNK = 16,
};

/* A row whose logits are wanted. */
typedef struct wanted_row {
    int64_t feed, index; /* index: of the token within its feed */
    int64_t row;         /* in the pass */
} wanted_row;

struct as_session {
    const as_model *model;
    as_pool *pool;
    as_exec exec;
    as_kv kv;
    int64_t chunk, logit_rows, cache_tokens;
    as_model_memory memory; /* the buffers below */
    int64_t bytes;
    float *stream, *normed, *output, *entry; /* [chunk, hidden], or embed_width where that is wider */
    float *embedding;                        /* the same, where the spec keeps it */
    float *carried;                          /* [chunk, spec->carried] */
    float *deferred;                         /* [chunk, hidden], or nothing where no step is */
    float *work;
    int64_t work_size;
    float *rope_cos[AS_MAX_ROPES], *rope_sin[AS_MAX_ROPES]; /* [chunk, rotary/2] */
    float *frequencies;                                     /* [most rotary/2] */
    int32_t *tokens, *positions;                            /* [chunk] */
    as_span *spans[AS_MAX_PAGE_POOLS];                      /* [chunk], with the pages of each pool */
    int64_t *totals;    /* [chunk] length each span's sequence has after its feed */
    wanted_row *wanted; /* [chunk] */
    float *logits;
    atomic_bool cancelled;
    as_trace_sink *trace;
    void *trace_context;
};

/* ---- open ------------------------------------------------------------------------------------------------
 */

static void *take(as_session *s, int64_t count, size_t size)
{
    void *at = as_model_memory_take(&s->memory, count, size);
    if (at) s->bytes += count * (int64_t)size;
    return at;
}

/* Floats of work space that the neediest step takes for each row. */
static int64_t work_per_row(const as_model_spec *spec)
{
    int64_t around = spec->embed_width + spec->head_layer.width;
    int64_t most = around ? as_pass_linear_needs(spec->hidden + around) : 0;
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int k = 0; k < spec->layers[i].step_count; k++) {
            as_block_needs needs = as_step_needs(spec, &spec->layers[i].steps[k]);
            if (needs.row > most) most = needs.row;
            int64_t rank = spec->layers[i].steps[k].in_gate.rank;
            int64_t gate = rank ? as_pass_self_gate_needs(spec->hidden, rank) : 0;
            if (gate > most) most = gate;
        }
    }
    return most;
}

static bool any_deferred(const as_model_spec *spec)
{
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int k = 0; k < spec->layers[i].step_count; k++) {
            if (spec->layers[i].steps[k].deferred) return true;
        }
    }
    return false;
}

/* The usual chunk, or as many rows as WORK_BYTES hold; never fewer than there are sequences to decode. */
int64_t as_session_default_chunk(const as_model_spec *spec, int64_t sequences)
{
    int64_t row = work_per_row(spec) + 4 * spec->hidden +
                  spec->carried; /* open_buffers takes four rows of the stream */
    for (int i = 0; i < spec->rope_count; i++) row += spec->ropes[i].rotary;
    int64_t rows = WORK_BYTES / (row * (int64_t)sizeof(float)) / LEAST_CHUNK * LEAST_CHUNK;
    if (rows < sequences) rows = sequences;
    if (rows < LEAST_CHUNK) rows = LEAST_CHUNK;
    return rows < DEFAULT_CHUNK ? rows : DEFAULT_CHUNK;
}

static as_code open_buffers(as_session *s, as_error *err)
{
    const as_model_spec *spec = &s->model->spec;
    int64_t width = spec->embed_width > spec->hidden ? spec->embed_width : spec->hidden;
    if (spec->head_layer.width > width) width = spec->head_layer.width;
    s->work_size = work_per_row(spec) * s->chunk + 32 * 16; /* each array is rounded up to a cache line */
    s->stream = take(s, s->chunk * width, sizeof(float));
    s->normed = take(s, s->chunk * width, sizeof(float));
    s->output = take(s, s->chunk * width, sizeof(float));
    s->entry = take(s, s->chunk * width, sizeof(float));
    s->embedding = take(s, spec->keep_embedding ? s->chunk * width : 1, sizeof(float));
    s->carried = take(s, s->chunk * spec->carried + 1, sizeof(float));
    s->deferred = take(s, any_deferred(spec) ? s->chunk * spec->hidden : 1, sizeof(float));
    s->work = take(s, s->work_size, sizeof(float));
    s->tokens = take(s, s->chunk, sizeof *s->tokens);
    s->positions = take(s, s->chunk, sizeof *s->positions);
    bool ok = true;
    for (int i = 0; i < AS_MAX_PAGE_POOLS; i++) {
        s->spans[i] = take(s, s->chunk, sizeof *s->spans[i]);
        ok = ok && s->spans[i];
    }
    s->totals = take(s, s->chunk, sizeof *s->totals);
    s->wanted = take(s, s->chunk, sizeof *s->wanted);
    s->logits = take(s, s->logit_rows * spec->vocab, sizeof(float));
    s->exec.scratch = take(s, as_pool_threads(s->pool), AS_SCRATCH_BYTES);
    ok = ok && s->stream && s->normed && s->output && s->entry && s->embedding && s->carried && s->deferred &&
         s->work && s->tokens && s->positions && s->totals && s->wanted && s->logits && s->exec.scratch;
    int64_t widest = 1;
    for (int i = 0; i < spec->rope_count; i++) {
        int64_t half = spec->ropes[i].rotary / 2;
        if (half > widest) widest = half;
        s->rope_cos[i] = take(s, s->chunk * half + 1, sizeof(float));
        s->rope_sin[i] = take(s, s->chunk * half + 1, sizeof(float));
        ok = ok && s->rope_cos[i] && s->rope_sin[i];
    }
    s->frequencies = take(s, widest, sizeof(float));
    return ok && s->frequencies ? AS_OK : as_fail_memory(err, "a session's work space");
}

static as_code cache_type(const as_model *m, const char *name, as_dtype *out, as_error *err)
{
    if (!name) {
        bool wide = strcmp(m->precision.name, "f32") == 0 || strcmp(m->precision.name, "native") == 0;
        *out = m->precision.kv8 ? AS_E4M3 : wide ? AS_F32 : AS_F16;
        return AS_OK;
    }
    static const struct {
        const char *name;
        as_dtype type;
    } types[] = {{"f32", AS_F32}, {"f16", AS_F16}, {"bf16", AS_BF16}, {"e4m3", AS_E4M3}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(name, types[i].name) != 0) continue;
        *out = types[i].type;
        return AS_OK;
    }
    return as_fail(err, AS_E_USAGE, "cache type %s is not known; known are f32, f16, bf16, e4m3", name);
}

static as_code open_into(as_session *s, const as_session_options *options, as_error *err)
{
    const as_model *m = s->model;
    int64_t context = m->spec.context ? m->spec.context : DEFAULT_CACHE;
    int64_t sequences = options->max_sequences ? options->max_sequences : 1;
    s->cache_tokens = options->cache_tokens     ? options->cache_tokens
                      : context < DEFAULT_CACHE ? context
                                                : DEFAULT_CACHE;
    s->chunk = options->chunk ? options->chunk : as_session_default_chunk(&m->spec, sequences);
    if (sequences < 1 || sequences > MOST_SEQUENCES || s->cache_tokens < 1 ||
        s->cache_tokens > (int64_t)1 << 31) {
        return as_fail(
            err, AS_E_LIMIT,
            "a session of %lld sequences with %lld tokens is not possible, at most %d with 2^31 are",
            (long long)sequences, (long long)s->cache_tokens, MOST_SEQUENCES);
    }
    if (s->chunk < 1 || s->chunk > MOST_CHUNK) {
        return as_fail(err, AS_E_LIMIT, "chunk is %lld, expected 1 to %d", (long long)s->chunk, MOST_CHUNK);
    }
    /* No feed is longer than the cache, nor are those of one pass together. */
    if (m->spec.whole_feeds && s->chunk < s->cache_tokens) s->chunk = s->cache_tokens;
    s->logit_rows = LOGIT_BYTES / (m->spec.vocab * (int64_t)sizeof(float));
    if (s->logit_rows < 1) s->logit_rows = 1;
    if (s->logit_rows > s->chunk) s->logit_rows = s->chunk;
    as_dtype cache = AS_F32;
    AS_TRY(cache_type(m, options->cache, &cache, err));
    AS_TRY(as_pool_open(options->threads, &s->pool, err));
    s->exec.pool = s->pool;
    AS_TRY(open_buffers(s, err));
    as_kv_size size = {.tokens = s->cache_tokens, .sequences = sequences, .rows = s->chunk};
    return as_kv_open(&s->kv, &m->spec, cache, &size, err);
}

as_code as_session_open(const as_model *model, const as_session_options *options, as_session **out,
                        as_error *err)
{
    static const as_session_options defaults = {0};
    as_session *s = AS_NEW(as_session);
    if (!s) return as_fail_memory(err, "a session");
    s->model = model;
    as_arena_init(&s->memory.arena, 0);
    as_code rc = open_into(s, options ? options : &defaults, err);
    if (rc != AS_OK) {
        as_session_close(s);
        return rc;
    }
    *out = s;
    return AS_OK;
}

void as_session_close(as_session *s)
{
    if (!s) return;
    as_kv_close(&s->kv);
    as_model_memory_free(&s->memory);
    as_pool_close(s->pool);
    as_free(s);
}

const as_model *as_session_model(const as_session *s)
{
    return s->model;
}

as_session_limits as_session_get_limits(const as_session *s)
{
    return (as_session_limits){
        .cache_tokens = s->cache_tokens, .max_sequences = s->kv.sequence_count, .chunk = s->chunk};
}

int64_t as_session_bytes(const as_session *s)
{
    return s->bytes + s->kv.bytes;
}

/* ---- sequences -------------------------------------------------------------------------------------------
 */

as_code as_session_add(as_session *s, int64_t *sequence, as_error *err)
{
    int64_t found = as_kv_add(&s->kv);
    if (found < 0) {
        return as_fail(err, AS_E_LIMIT, "all %lld sequences of the session are in use",
                       (long long)s->kv.sequence_count);
    }
    *sequence = found;
    return AS_OK;
}

void as_session_drop(as_session *s, int64_t sequence)
{
    as_kv_drop(&s->kv, sequence);
}

int64_t as_session_length(const as_session *s, int64_t sequence)
{
    return s->kv.sequences[sequence].length;
}

void as_session_cancel(as_session *s)
{
    atomic_store(&s->cancelled, true);
}

void as_session_trace(as_session *s, as_trace_sink *sink, void *context)
{
    s->trace = sink;
    s->trace_context = context;
}

static void trace(as_session *s, const as_pass *pass, const char *stage, const float *values)
{
    if (s->trace) s->trace(s->trace_context, stage, pass->rows, pass->spec->hidden, values);
}

static void trace_layer(as_session *s, const as_pass *pass, int64_t layer, const char *what,
                        const float *values)
{
    if (!s->trace) return;
    char stage[48];
    snprintf(stage, sizeof stage, "%lld.%s", (long long)layer, what);
    trace(s, pass, stage, values);
}

/* ---- the forward pass ------------------------------------------------------------------------------------
 */

/* Takes a span's cosines and sines from the checkpoint. */
static void read_ropes(const as_session *s, const as_span *span, int64_t half, float *cos, float *sin)
{
    for (int64_t i = 0; i < span->count; i++) {
        const float *row = s->model->rope_table + (span->position + i) * 2 * half;
        memcpy(sin + i * half, row, (size_t)half * sizeof *sin);
        memcpy(cos + i * half, row + half, (size_t)half * sizeof *cos);
    }
}

/* The frequencies of a sequence that will be so long, into the session's. */
static void set_frequencies(as_session *s, const as_rope_spec *rope, int64_t length)
{
    as_rope_frequencies(rope, length, s->frequencies);
    if (!rope->stretched) return;
    for (int64_t i = 0; i < rope->rotary / 2; i++) s->frequencies[i] *= expf(s->model->rope_stretch[i]);
}

static void fill_ropes(as_session *s, as_pass *pass)
{
    for (int r = 0; r < pass->spec->rope_count; r++) {
        const as_rope_spec *rope = &pass->spec->ropes[r];
        int64_t half = rope->rotary / 2;
        bool varies = as_rope_varies(rope);
        if (!varies) set_frequencies(s, rope, 0);
        for (int64_t i = 0; i < pass->span_count; i++) {
            const as_span *span = &pass->spans[i];
            if (rope->stored && s->model->rope_table) {
                read_ropes(s, span, half, s->rope_cos[r] + span->first * half,
                           s->rope_sin[r] + span->first * half);
                continue;
            }
            int64_t length = rope->first + s->totals[i];
            if (varies) set_frequencies(s, rope, length);
            as_rope_spec here = *rope;
            if (varies) here.attention_factor = as_rope_factor(rope, length);
            as_rope_table(&here, s->frequencies, span->position, span->count,
                          s->rope_cos[r] + span->first * half, s->rope_sin[r] + span->first * half);
        }
        pass->ropes[r] = (as_rope_rows){.cos = s->rope_cos[r], .sin = s->rope_sin[r]};
    }
}

/* Which position each row has. */
static void number_positions(as_session *s, const as_pass *pass)
{
    const as_position_spec *positions = &pass->spec->positions;
    for (int64_t i = 0; i < pass->span_count; i++) {
        const as_span *span = &pass->spans[i];
        int64_t *skipped = &s->kv.sequences[span->state].skipped;
        int64_t next = span->position - *skipped + positions->offset;
        for (int64_t row = span->first; row < span->first + span->count; row++) {
            bool skips = positions->skips && s->tokens[row] == positions->skipped;
            s->positions[row] = (int32_t)(skips ? positions->offset - 1 : next++);
            *skipped += skips;
        }
    }
}

/* Adds each row's position to x [N, width]. Rows of a table were checked to be there (check_feeds). */
static void add_positions(as_session *s, as_pass *pass, float *x, int64_t width)
{
    const as_position_spec *positions = &pass->spec->positions;
    number_positions(s, pass);
    bool computed = positions->fill && !s->model->positions.data;
    for (int64_t row = 0; computed && row < pass->rows; row++) {
        positions->fill(s->positions[row], width, s->output + row * width);
        if (positions->blank && s->positions[row] == positions->blank) {
            memset(s->output + row * width, 0, (size_t)width * sizeof *s->output);
        }
    }
    if (!computed) {
        pass->ops->embed(&pass->exec, &(as_embed_args){.matrix = &s->model->positions,
                                                       .tokens = s->positions,
                                                       .n = pass->rows,
                                                       .scale = 1,
                                                       .out = s->output,
                                                       .out_stride = width});
    }
    pass->ops->add(&pass->exec, &(as_add_args){.x = s->output,
                                               .out = x,
                                               .n = pass->rows,
                                               .width = width,
                                               .x_stride = width,
                                               .out_stride = width,
                                               .scale = 1,
                                               .out_scale = 1});
}

/* What is added to the embedding, and its norm. */
static void finish_embedding(as_session *s, as_pass *pass, float *x, int64_t width)
{
    const as_model_spec *spec = pass->spec;
    as_pass_affine(pass, &s->model->embed_affine, x, width);
    bool first = spec->norm_before_positions;
    if (spec->positions.present && !first) add_positions(s, pass, x, width);
    if (spec->embed_norm.present) {
        as_pass_norm(pass, &spec->embed_norm, &s->model->embed_norm, x, width, x, width, 1, width);
    }
    if (spec->positions.present && first) add_positions(s, pass, x, width);
}

static void embed(as_session *s, as_pass *pass)
{
    const as_model_spec *spec = pass->spec;
    int64_t hidden = spec->hidden, width = spec->embed_width ? spec->embed_width : hidden;
    float *out = spec->embed_width ? s->normed : s->stream;
    pass->ops->embed(&pass->exec, &(as_embed_args){.matrix = &s->model->embed,
                                                   .tokens = s->tokens,
                                                   .n = pass->rows,
                                                   .scale = spec->embed_scale != 0 ? spec->embed_scale : 1,
                                                   .out = out,
                                                   .out_stride = width});
    for (int64_t i = 0; spec->has_blank && i < pass->rows; i++) {
        if (s->tokens[i] == spec->blank) memset(out + i * width, 0, (size_t)width * sizeof *out);
    }
    if (spec->embed_narrow) finish_embedding(s, pass, out, width);
    if (spec->embed_width) as_pass_linear(pass, &s->model->embed_in, out, width, s->stream, hidden);
    if (!spec->embed_narrow) finish_embedding(s, pass, s->stream, hidden);
    if (spec->keep_embedding) {
        memcpy(s->embedding, s->stream, (size_t)(pass->rows * hidden) * sizeof *s->stream);
        pass->embedding = s->embedding;
    }
    trace(s, pass, "embed", s->stream);
}

/* stream = stream_norm(scale * (stream_scale * residual + residual_scale * output)) */
static void add_output(as_session *s, as_pass *pass, const as_step *step, const as_step_weights *weights)
{
    int64_t hidden = pass->spec->hidden;
    float scale = step->residual_scale != 0 ? step->residual_scale : 1;
    float stream_scale = step->stream_scale != 0 ? step->stream_scale : 1;
    pass->ops->add(&pass->exec, &(as_add_args){.x = s->output,
                                               .out = s->stream,
                                               .n = pass->rows,
                                               .width = hidden,
                                               .x_stride = hidden,
                                               .out_stride = hidden,
                                               .scale = weights->scale * scale,
                                               .out_scale = weights->scale * stream_scale});
    if (step->stream_norm.present) {
        as_pass_norm(pass, &step->stream_norm, &weights->stream_norm, s->stream, hidden, s->stream, hidden, 1,
                     hidden);
    }
}

/* What a step's block reads: in_scale * in_norm(x). */
static const float *step_input(as_session *s, as_pass *pass, const as_step *step,
                               const as_step_weights *weights)
{
    int64_t hidden = pass->spec->hidden;
    const float *in = step->same_input ? s->normed : step->parallel ? s->entry : s->stream;
    bool scaled = step->in_scale != 0 && step->in_scale != 1;
    if (step->from_carried) {
        int64_t stride = pass->spec->carried;
        as_pass_copy_groups(pass, 1, hidden, pass->carried + step->from_carried - 1, 0, stride, s->normed,
                            hidden);
        in = s->normed;
    }
    if (step->in_norm.present) {
        as_pass_norm(pass, &step->in_norm, &weights->in_norm, in, hidden, s->normed, hidden, 1, hidden);
        if (step->in_gate.rank) as_pass_self_gate(pass, &weights->gate_down, &weights->gate_up, s->normed);
        in = s->normed;
    } else if (scaled) {
        memcpy(s->normed, in, (size_t)(pass->rows * hidden) * sizeof *in);
        in = s->normed;
    }
    if (scaled) {
        pass->ops->cap(
            &pass->exec,
            &(as_cap_args){
                .x = s->normed, .n = pass->rows, .width = hidden, .stride = hidden, .scale = step->in_scale});
    }
    return in;
}

static void convolve_output(as_session *s, as_pass *pass, const as_step *step, const as_step_weights *weights)
{
    int64_t hidden = pass->spec->hidden;
    pass->ops->conv1d(&pass->exec, &(as_conv1d_args){.in = s->output,
                                                     .out = s->output,
                                                     .width = hidden,
                                                     .taps = step->out_taps,
                                                     .in_stride = hidden,
                                                     .out_stride = hidden,
                                                     .weight = weights->out_conv,
                                                     .state = pass->state[AS_OUTPUT_STATE],
                                                     .spans = pass->spans,
                                                     .span_count = pass->span_count});
}

static void run_step(as_session *s, as_pass *pass, int64_t layer, int index)
{
    const as_step *step = &pass->spec->layers[layer].steps[index];
    const as_step_weights *weights = &s->model->layers[layer].steps[index];
    as_step_memory *memory = &s->kv.layers[layer].steps[index];
    int64_t hidden = pass->spec->hidden;
    pass->work_used = 0;
    const float *in = step_input(s, pass, step, weights);
    const as_step_memory *keys =
        step->cache_layer ? &s->kv.layers[step->cache_layer - 1].steps[index + step->cache_shift] : memory;
    pass->layer = layer;
    pass->cache = keys->cache.kv_heads ? &keys->cache : NULL;
    const as_step_memory *chosen = memory->index.kv_heads ? memory : keys;
    pass->index = chosen->index.kv_heads ? &chosen->index : NULL;
    pass->entries = keys->entries.kv_heads ? &keys->entries : NULL;
    pass->spans = s->spans[keys->pool];
    memcpy(pass->state, memory->state, sizeof pass->state);
    step->block->forward(pass, step, weights->block, in, s->output);
    if (step->out_taps) convolve_output(s, pass, step, weights);
    if (step->out_norm.present) {
        as_pass_norm(pass, &step->out_norm, &weights->out_norm, s->output, hidden, s->output, hidden, 1,
                     hidden);
    }
    if (step->trace) trace_layer(s, pass, layer, step->trace, s->output);
    as_pass_affine(pass, &weights->out_affine, s->output, hidden);
    if (step->effect == AS_STEP_KEEPS) return;
    if (step->deferred) {
        memcpy(s->deferred, s->output, (size_t)(pass->rows * hidden) * sizeof *s->output);
        return;
    }
    if (step->residual_normed || step->residual_entry) {
        memcpy(s->stream, step->residual_entry ? s->entry : s->normed,
               (size_t)(pass->rows * hidden) * sizeof *s->stream);
    }
    if (step->effect == AS_STEP_REPLACES) {
        memcpy(s->stream, s->output, (size_t)(pass->rows * hidden) * sizeof *s->stream);
    } else {
        as_pass_affine(pass, &weights->residual_affine, s->stream, hidden);
        add_output(s, pass, step, weights);
    }
}

/* Whether steps after `index` read what the layer was given. */
static bool entry_read_after(const as_layer_spec *layer, int index)
{
    for (int i = index + 1; i < layer->step_count; i++) {
        const as_step *step = &layer->steps[i];
        if (step->residual_entry || (step->parallel && !step->same_input)) return true;
    }
    return false;
}

/* Adds what the layer's deferred step has left. */
static void add_deferred(as_session *s, as_pass *pass, const as_step *step)
{
    int64_t hidden = pass->spec->hidden;
    pass->ops->add(&pass->exec, &(as_add_args){.x = s->deferred,
                                               .out = s->stream,
                                               .n = pass->rows,
                                               .width = hidden,
                                               .x_stride = hidden,
                                               .out_stride = hidden,
                                               .scale = step->residual_scale != 0 ? step->residual_scale : 1,
                                               .out_scale = 1});
}

static void run_layer(as_session *s, as_pass *pass, int64_t layer)
{
    const as_layer_spec *spec = &pass->spec->layers[layer];
    size_t bytes = (size_t)(pass->rows * pass->spec->hidden) * sizeof(float);
    if (entry_read_after(spec, -1)) memcpy(s->entry, s->stream, bytes);
    for (int i = 0; i < spec->step_count; i++) {
        run_step(s, pass, layer, i);
        if (spec->steps[i].effect == AS_STEP_REPLACES && entry_read_after(spec, i))
            memcpy(s->entry, s->stream, bytes);
    }
    for (int i = 0; i < spec->step_count; i++) {
        if (spec->steps[i].deferred) add_deferred(s, pass, &spec->steps[i]);
    }
    if (!pass->spec->streams) trace_layer(s, pass, layer, "out", s->stream);
}

/* Hands over logits of wanted rows from..to-1, whose normed states lie in s->normed; runs of one feed
 * together. */
static as_code hand_over(as_session *s, int64_t from, int64_t to, as_logits_sink *sink, void *context,
                         as_error *err)
{
    for (int64_t i = from; i < to;) {
        int64_t end = i + 1;
        while (end < to && s->wanted[end].feed == s->wanted[i].feed) end++;
        AS_TRY(sink(context, s->wanted[i].feed, s->wanted[i].index, end - i,
                    s->logits + (i - from) * s->model->spec.vocab, err));
        i = end;
    }
    return AS_OK;
}

/* output = norm(act(W states + bias)), of the head's width. */
static void apply_head_layer(as_session *s, as_pass *pass, const float *states)
{
    const as_head_layer_spec *layer = &pass->spec->head_layer;
    int64_t width = layer->width;
    pass->work_used = 0;
    as_pass_linear(pass, &s->model->head_layer, states, pass->spec->hidden, s->output, width);
    as_pass_activate(pass, layer->act, s->output, width);
    as_pass_norm(pass, &layer->norm, &s->model->head_norm, s->output, width, s->output, width, 1, width);
}

/* Logits that the matrix does not decide, of n rows. */
static void settle_logits(as_session *s, const as_model_spec *spec, int64_t n)
{
    for (int64_t i = 0; i < n * spec->barred_count; i++) {
        int64_t row = i / spec->barred_count;
        s->logits[row * spec->vocab + spec->barred[i % spec->barred_count]] = -FLT_MAX;
    }
    for (int64_t row = 0; s->model->blank_logit && row < n; row++) {
        s->logits[row * spec->vocab + spec->blank] = 0;
    }
}

static as_code finish(as_session *s, as_pass *pass, int64_t wanted, as_logits_sink *sink, void *context,
                      as_error *err)
{
    const as_model_spec *spec = pass->spec;
    int64_t hidden = spec->hidden, width = spec->embed_width ? spec->embed_width : hidden;
    if (wanted == 0) return AS_OK;
    for (int64_t i = 0; i < wanted; i++) { /* rows ascend: moving down never overwrites one still to come */
        memmove(s->stream + i * hidden, s->stream + s->wanted[i].row * hidden,
                (size_t)hidden * sizeof(float));
    }
    pass->rows = wanted;
    const float *states = s->stream;
    if (spec->final_norm.present) {
        as_pass_norm(pass, &spec->final_norm, &s->model->final_norm, s->stream, hidden, s->normed, hidden, 1,
                     hidden);
        states = s->normed;
    }
    trace(s, pass, "final_norm", states);
    if (spec->head_layer.width) {
        width = spec->head_layer.width;
        apply_head_layer(s, pass, states);
        states = s->output;
    } else if (spec->embed_width) {
        pass->work_used = 0;
        as_pass_linear(pass, &s->model->embed_out, states, hidden, s->output, width);
        states = s->output;
    }
    for (int64_t from = 0; from < wanted; from += s->logit_rows) {
        int64_t to = from + s->logit_rows < wanted ? from + s->logit_rows : wanted;
        pass->ops->matmul(&pass->exec, &(as_matmul_args){.w = &s->model->head.w,
                                                         .x = states + from * width,
                                                         .n = to - from,
                                                         .x_stride = width,
                                                         .bias = s->model->head.bias,
                                                         .out = s->logits,
                                                         .out_stride = spec->vocab});
        if (spec->logit_cap != 0 || (spec->logit_scale != 0 && spec->logit_scale != 1)) {
            pass->ops->cap(&pass->exec,
                           &(as_cap_args){.x = s->logits,
                                          .n = to - from,
                                          .width = spec->vocab,
                                          .stride = spec->vocab,
                                          .cap = spec->logit_cap,
                                          .scale = spec->logit_scale != 0 ? spec->logit_scale : 1});
        }
        settle_logits(s, spec, to - from);
        AS_TRY(hand_over(s, from, to, sink, context, err));
    }
    return AS_OK;
}

static as_code run_pass(as_session *s, int64_t rows, int64_t spans, int64_t wanted, as_logits_sink *sink,
                        void *context, as_error *err)
{
    as_pass pass = {.spec = &s->model->spec,
                    .ops = s->model->backend,
                    .exec = s->exec,
                    .rows = rows,
                    .tokens = s->tokens,
                    .spans = s->spans[AS_WHOLE_SEQUENCES],
                    .span_count = spans,
                    .carried = s->carried,
                    .work = s->work,
                    .work_size = s->work_size};
    fill_ropes(s, &pass);
    embed(s, &pass);
    for (int64_t layer = 0; layer < pass.spec->layer_count; layer++) {
        if (atomic_exchange(&s->cancelled, false)) return as_fail(err, AS_E_CANCELLED, "interrupted");
        run_layer(s, &pass, layer);
    }
    return finish(s, &pass, wanted, sink, context, err);
}

/* ---- feeds -----------------------------------------------------------------------------------------------
 */

static as_code check_feeds(const as_session *s, const as_feed *feeds, int64_t count, as_error *err)
{
    int64_t pages = 0;
    for (int64_t i = 0; i < count; i++) {
        const as_feed *feed = &feeds[i];
        AS_BUG(feed->sequence < 0 || feed->sequence >= s->kv.sequence_count);
        AS_BUG(!s->kv.sequences[feed->sequence].active);
        if (feed->count < 1) return as_fail(err, AS_E_INPUT, "no tokens to compute");
        if (s->model->spec.whole_feeds && feed->count > s->chunk) {
            return as_fail(err, AS_E_LIMIT, "%lld tokens at once are more than the %lld of the cache",
                           (long long)feed->count, (long long)s->chunk);
        }
        int64_t length = s->kv.sequences[feed->sequence].length + feed->count;
        const as_position_spec *positions = &s->model->spec.positions;
        if (positions->present && positions->rows && length > positions->rows - positions->offset) {
            return as_fail(err, AS_E_LIMIT,
                           "%lld tokens are more than the %lld that the model has positions for",
                           (long long)length, (long long)(positions->rows - positions->offset));
        }
        for (int64_t t = 0; t < feed->count; t++) {
            if (feed->tokens[t] < 0 || feed->tokens[t] >= s->model->embed.rows) {
                return as_fail(err, AS_E_INPUT, "token %d at %lld is outside the vocabulary of %lld",
                               feed->tokens[t], (long long)t, (long long)s->model->embed.rows);
            }
        }
        pages += as_kv_pages_needed(&s->kv, feed->sequence, feed->count);
    }
    if (pages > s->kv.pools[AS_WHOLE_SEQUENCES].free_count) {
        return as_fail(err, AS_E_LIMIT, "the cache of %lld tokens is full", (long long)s->cache_tokens);
    }
    return AS_OK;
}

/* How far a call has come through its feeds. */
typedef struct cursor {
    int64_t feed, token;
} cursor;

/* Copies tokens, placeholders as what they are read as. */
static void read_tokens(const as_placeholders *placeholders, const int32_t *from, int64_t count, int32_t *to)
{
    memcpy(to, from, (size_t)count * sizeof *to);
    for (int p = 0; p < placeholders->count; p++) {
        for (int64_t i = 0; i < count; i++) {
            if (from[i] == placeholders->tokens[p]) to[i] = placeholders->read_as;
        }
    }
}

/* Fills one pass from the cursor on; returns its rows. */
static int64_t fill_pass(as_session *s, const as_feed *feeds, int64_t count, cursor *at, int64_t *spans,
                         int64_t *wanted)
{
    int64_t rows = 0;
    *spans = *wanted = 0;
    while (at->feed < count && rows < s->chunk) {
        const as_feed *feed = &feeds[at->feed];
        as_sequence *seq = &s->kv.sequences[feed->sequence];
        int64_t n = feed->count - at->token < s->chunk - rows ? feed->count - at->token : s->chunk - rows;
        if (s->model->spec.whole_feeds && n < feed->count) break; /* it fits alone: see check_feeds */
        as_kv_begin_pass(&s->kv, feed->sequence, n);
        int64_t total = seq->length + feed->count - at->token;
        if (total < feed->prompt_length) total = feed->prompt_length;
        if (seq->length == 0) seq->prompt = total;
        for (int p = 0; p < s->kv.pool_count; p++) {
            s->spans[p][*spans] = (as_span){.first = rows,
                                            .count = n,
                                            .position = seq->length,
                                            .pages = seq->tables[p].pages,
                                            .state = feed->sequence,
                                            .total = total,
                                            .prompt = seq->prompt};
        }
        s->totals[(*spans)++] = total;
        read_tokens(&s->model->spec.placeholders, feed->tokens + at->token, n, s->tokens + rows);
        bool last = at->token + n == feed->count;
        int64_t first = feed->want == AS_LOGITS_ALL ? 0 : feed->want == AS_LOGITS_LAST && last ? n - 1 : n;
        for (int64_t i = first; i < n; i++) {
            s->wanted[(*wanted)++] = (wanted_row){.feed = at->feed, .index = at->token + i, .row = rows + i};
        }
        seq->length += n;
        rows += n;
        at->token += n;
        if (last) *at = (cursor){.feed = at->feed + 1};
    }
    return rows;
}

as_code as_session_forward(as_session *s, const as_feed *feeds, int64_t count, as_logits_sink *sink,
                           void *context, as_error *err)
{
    AS_TRY(check_feeds(s, feeds, count, err));
    for (int64_t i = 0; i < count; i++) as_kv_grow(&s->kv, feeds[i].sequence, feeds[i].count);
    cursor at = {0};
    while (at.feed < count) {
        int64_t spans, wanted;
        int64_t rows = fill_pass(s, feeds, count, &at, &spans, &wanted);
        AS_TRY(run_pass(s, rows, spans, wanted, sink, context, err));
        for (int64_t i = 0; i < spans; i++) as_kv_end_pass(&s->kv, s->spans[0][i].state);
    }
    return AS_OK;
}
