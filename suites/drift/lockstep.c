/* Two runs in step; see lockstep.h. */
#include "suites/drift/lockstep.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"

typedef enum { REFERENCE, CANDIDATE } side;

/* Hidden states of one layer of the rows in the buffer. */
typedef struct held_layer {
    int64_t first, rows, width;
    float *values;
    int64_t room; /* floats */
} held_layer;

typedef struct run {
    const as_lockstep *pair;
    int64_t vocab;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    side turn;

    /* Owned by whoever has the turn. */
    float *buffer;       /* [rows, vocab]: reference rows from `first` on */
    int64_t first, held; /* rows first .. first + held - 1 are in the buffer */
    int64_t expected;    /* the reference's next row */
    int64_t compared;    /* the candidate's next row */
    held_layer *layers;
    int64_t layer_count;
    bool stop;    /* the candidate has ended: the reference is to give up */
    bool ended;   /* the reference has ended */
    bool starved; /* ... before it gave the rows that the candidate has */
    as_code reference_code;
    as_error reference_error;
} run;

static void pass_turn(run *r, side to)
{
    pthread_mutex_lock(&r->lock);
    r->turn = to;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void await_turn(run *r, side mine)
{
    pthread_mutex_lock(&r->lock);
    while (r->turn != mine) pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

/* ---- the reference's side --------------------------------------------------------------------------------
 */

static as_code keep_row(void *context, int64_t index, const float *logits, as_error *err)
{
    run *r = context;
    if (index != r->expected) {
        return as_fail(err, AS_E_INPUT, "row %lld came where row %lld was due", (long long)index,
                       (long long)r->expected);
    }
    r->expected++;
    memcpy(r->buffer + r->held * r->vocab, logits, (size_t)r->vocab * sizeof *logits);
    if (++r->held < r->pair->rows) return AS_OK;
    pass_turn(r, CANDIDATE);
    await_turn(r, REFERENCE);
    return r->stop ? as_fail(err, AS_E_CANCELLED, "stopped with the other run") : AS_OK;
}

static bool room_for_layer(run *r, int64_t layer, int64_t floats)
{
    if (layer >= r->layer_count) {
        held_layer *layers = as_realloc(r->layers, (size_t)(layer + 1) * sizeof *layers);
        if (!layers) return false;
        memset(layers + r->layer_count, 0, (size_t)(layer + 1 - r->layer_count) * sizeof *layers);
        r->layers = layers;
        r->layer_count = layer + 1;
    }
    held_layer *held = &r->layers[layer];
    if (held->room >= floats) return true;
    float *values = as_realloc(held->values, (size_t)floats * sizeof *values);
    if (!values) return false;
    held->values = values;
    held->room = floats;
    return true;
}

/* Without memory the layer is simply not compared; the rows still are. */
static void keep_layer(void *context, int64_t layer, int64_t first, int64_t rows, int64_t width,
                       const float *values)
{
    run *r = context;
    if (layer < 0 || rows > r->pair->rows || !room_for_layer(r, layer, rows * width)) return;
    held_layer *held = &r->layers[layer];
    held->first = first;
    held->rows = rows;
    held->width = width;
    memcpy(held->values, values, (size_t)(rows * width) * sizeof *values);
}

static void *reference_thread(void *context)
{
    run *r = context;
    await_turn(r, REFERENCE);
    const as_lockstep *p = r->pair;
    as_score score = {.tokens = p->tokens,
                      .count = p->count,
                      .chunk = p->reference_chunk,
                      .sink = keep_row,
                      .layer_sink = p->layer ? keep_layer : NULL,
                      .context = r};
    r->reference_code = r->stop ? AS_OK : p->reference->ops->score(p->reference, &score, &r->reference_error);
    r->ended = true;
    pass_turn(r, CANDIDATE);
    return NULL;
}

/* ---- the candidate's side --------------------------------------------------------------------------------
 */

/* Lets the reference compute until it holds the row `index`. */
static as_code advance(run *r, int64_t index, as_error *err)
{
    while (index >= r->first + r->held) {
        if (r->ended) {
            r->starved = true;
            return as_fail(err, AS_E_CANCELLED, "the reference ended before row %lld", (long long)index);
        }
        r->first += r->held;
        r->held = 0;
        pass_turn(r, REFERENCE);
        await_turn(r, CANDIDATE);
    }
    return AS_OK;
}

static as_code compare_row(void *context, int64_t index, const float *logits, as_error *err)
{
    run *r = context;
    if (index != r->compared) {
        return as_fail(err, AS_E_INPUT, "row %lld came where row %lld was due", (long long)index,
                       (long long)r->compared);
    }
    r->compared++;
    AS_TRY(advance(r, index, err));
    const float *reference = r->buffer + (index - r->first) * r->vocab;
    return r->pair->row(r->pair->context, index, reference, logits, err);
}

static void compare_layer(void *context, int64_t layer, int64_t first, int64_t rows, int64_t width,
                          const float *values)
{
    run *r = context;
    if (advance(r, first + rows - 1, NULL) != AS_OK || layer < 0 || layer >= r->layer_count) return;
    const held_layer *held = &r->layers[layer];
    if (held->first != first || held->rows != rows || held->width != width) return;
    r->pair->layer(r->pair->context, layer, rows, width, held->values, values);
}

static as_code run_candidate(run *r, as_error *err)
{
    const as_lockstep *p = r->pair;
    as_score score = {.tokens = p->tokens,
                      .count = p->count,
                      .chunk = p->candidate_chunk,
                      .sink = compare_row,
                      .layer_sink = p->layer ? compare_layer : NULL,
                      .context = r};
    as_code rc = p->candidate->ops->score(p->candidate, &score, err);
    if (rc == AS_OK && r->compared != p->count) {
        rc = as_fail(err, AS_E_INPUT, "%lld rows came of %lld", (long long)r->compared, (long long)p->count);
    }
    return rc;
}

/* What broke first is what is told: a candidate that was stopped for the reference's sake is no fault. */
static as_code conclude(run *r, as_code candidate_code, as_error *err)
{
    if (r->reference_code != AS_OK && r->reference_code != AS_E_CANCELLED) {
        if (err) *err = r->reference_error;
        return as_wrap(err, "reference at %s", r->pair->reference->facts.precision);
    }
    if (r->starved) {
        return as_fail(err, AS_E_INPUT, "reference at %s: %lld rows came of %lld",
                       r->pair->reference->facts.precision, (long long)r->expected,
                       (long long)r->pair->count);
    }
    if (candidate_code == AS_OK || candidate_code == AS_E_CANCELLED) return candidate_code;
    return as_wrap(err, "candidate at %s", r->pair->candidate->facts.precision);
}

static void release(run *r)
{
    for (int64_t l = 0; l < r->layer_count; l++) as_free(r->layers[l].values);
    as_free(r->layers);
    as_free(r->buffer);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}

as_code as_lockstep_run(const as_lockstep *pair, as_error *err)
{
    AS_BUG(pair->reference == pair->candidate || pair->rows < 1);
    int64_t vocab = pair->reference->facts.vocab;
    if (vocab < 1 || vocab != pair->candidate->facts.vocab) {
        return as_fail(err, AS_E_INPUT, "vocabularies of %lld and %lld entries cannot be compared",
                       (long long)vocab, (long long)pair->candidate->facts.vocab);
    }
    run r = {.pair = pair, .vocab = vocab, .turn = CANDIDATE};
    size_t floats;
    if (!as_mul_size((size_t)pair->rows, (size_t)vocab, &floats)) {
        return as_fail(err, AS_E_LIMIT, "%lld rows of %lld logits", (long long)pair->rows, (long long)vocab);
    }
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.changed, NULL);
    r.buffer = as_calloc(floats, sizeof(float));
    pthread_t thread;
    if (!r.buffer || pthread_create(&thread, NULL, reference_thread, &r) != 0) {
        release(&r);
        return as_fail_memory(err, "the rows of two runs");
    }
    as_code rc = run_candidate(&r, err);
    r.stop = true;
    pass_turn(&r, REFERENCE);
    pthread_join(thread, NULL);
    rc = conclude(&r, rc, err);
    release(&r);
    return rc;
}
