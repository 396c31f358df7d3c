/* Mixtures of experts: routing and combining, the specification in plain C. */
#include <math.h>
#include <stdlib.h>

#include "kernels/cpu/choice.h"
#include "kernels/cpu/ref/ref.h"

/* Whether a ranks before b: the larger; a NaN before all, so that it is seen in the output. */
static bool ranks_before(double a, double b)
{
    return a > b || (isnan(a) && !isnan(b));
}

/* The best of values[0..count-1] not yet taken; the lower index among equals. */
static int64_t best_index(const double *values, const bool *taken, int64_t count)
{
    int64_t best = -1;
    for (int64_t i = 0; i < count; i++) {
        if (taken[i]) continue;
        if (best < 0 || ranks_before(values[i], values[best])) best = i;
    }
    return best;
}

/* values becomes exp(values - max) / sum over `count`. */
static void softmax(double *values, int64_t count)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < count; i++) {
        if (values[i] > largest) largest = values[i];
    }
    for (int64_t i = 0; i < count; i++) sum += values[i] = exp(values[i] - largest);
    for (int64_t i = 0; i < count; i++) values[i] /= sum;
}

/* The room that routing one row needs, in a worker's scratch. */
typedef struct route_room {
    double *score, *choice, *group; /* [experts], [experts], [groups] */
    as_ranked *ranked;              /* [experts] */
    bool *taken, *group_taken;
} route_room;

static route_room room_in(unsigned char *scratch, int64_t experts, int64_t groups)
{
    route_room room;
    room.score = (double *)scratch;
    room.choice = room.score + experts;
    room.group = room.choice + experts;
    room.ranked = (as_ranked *)(void *)(room.group + groups);
    room.taken = (bool *)(room.ranked + experts);
    room.group_taken = room.taken + experts;
    return room;
}

static double group_score(const double *values, int64_t count, bool by_max)
{
    double first = -INFINITY, second = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        if (ranks_before(values[i], first)) {
            second = first;
            first = values[i];
        } else if (ranks_before(values[i], second)) {
            second = values[i];
        }
    }
    return by_max || count < 2 ? first : first + second;
}

/* Counts as zero, or as less than any other, every expert outside the group_top best groups. */
static void exclude_groups(const as_route_args *r, const route_room *room)
{
    int64_t size = r->experts / r->groups;
    for (int64_t g = 0; g < r->groups; g++) {
        room->group_taken[g] = false;
        room->group[g] = group_score(room->choice + g * size, size, r->group_by_max);
    }
    for (int64_t rank = 0; rank < r->group_top; rank++) {
        room->group_taken[best_index(room->group, room->group_taken, r->groups)] = true;
    }
    for (int64_t i = 0; i < r->experts; i++) {
        if (!room->group_taken[i / size]) room->choice[i] = r->groups_as_zero ? 0 : -INFINITY;
    }
}

/* The weight of the best of those left: its share among them, without those far below it. */
static double mixer_weight(const as_route_args *r, const float *scores, const route_room *room, int64_t best)
{
    float most = scores[best];
    double sum = 0;
    for (int64_t i = 0; i < r->experts; i++) {
        if (room->taken[i]) continue;
        float size = fabsf(scores[i]) > most ? fabsf(scores[i]) : most;
        if ((most - scores[i]) / size > 2 * r->jitter) continue;
        sum += exp((double)scores[i] - most);
    }
    return 1 / sum;
}

/* What the chosen weights are divided by. */
static double weights_norm(const as_route_args *r, const double *picked)
{
    double sum = 0, power = r->norm_power != 0 ? r->norm_power : 1;
    for (int64_t k = 0; k < r->top_k; k++) sum += power == 1 ? picked[k] : pow(picked[k], power);
    if (power != 1) sum = pow(sum, 1 / power);
    return sum > r->norm_least ? sum : r->norm_least;
}

static int by_rank(const void *a, const void *b)
{
    const as_ranked *x = a, *y = b;
    if (ranks_before(x->score, y->score)) return -1;
    if (ranks_before(y->score, x->score)) return 1;
    return x->key < y->key ? -1 : 1;
}

static void choose(const as_route_args *r, const route_room *room, int32_t *ids)
{
    for (int64_t i = 0; i < r->experts; i++) {
        room->ranked[i] = (as_ranked){.score = (float)room->choice[i], .key = (int32_t)i};
    }
    as_rank(room->ranked, r->experts, r->top_k);
    qsort(room->ranked, (size_t)r->top_k, sizeof *room->ranked, by_rank);
    for (int64_t k = 0; k < r->top_k; k++) ids[k] = room->ranked[k].key;
}

static void route_row(const as_route_args *r, int64_t row, const route_room *room)
{
    for (int64_t i = 0; i < r->experts; i++) {
        double s = r->scores[row * r->experts + i];
        if (r->cap > 0) s = r->cap * tanh(s / r->cap);
        room->score[i] = r->kind == AS_ROUTE_SIGMOID         ? as_ref_activate(AS_ACT_SIGMOID, s)
                         : r->kind == AS_ROUTE_SQRT_SOFTPLUS ? as_ref_activate(AS_ACT_SQRT_SOFTPLUS, s)
                                                             : s;
    }
    if (r->kind == AS_ROUTE_SOFTMAX) softmax(room->score, r->experts);
    for (int64_t i = 0; i < r->experts; i++) {
        /* The choice is made between float32 numbers, as models make it. */
        room->choice[i] = (float)room->score[i] + (r->bias ? r->bias[i] : 0.0f);
        room->taken[i] = false;
    }
    if (r->groups > 1) exclude_groups(r, room);
    int32_t *ids = r->ids + row * r->top_k;
    double picked[256];
    AS_BUG(r->top_k > AS_MOST_RANKS);
    bool by_turns = r->kind == AS_ROUTE_SPARSEMIXER;
    if (!r->given && !by_turns) choose(r, room, ids);
    for (int64_t k = 0; k < r->top_k; k++) {
        bool known = r->given || !by_turns;
        int64_t best = known ? ids[k] : best_index(room->choice, room->taken, r->experts);
        picked[k] = by_turns ? mixer_weight(r, r->scores + row * r->experts, room, best) : room->score[best];
        room->taken[best] = true;
        ids[k] = (int32_t)best;
    }
    if (r->kind == AS_ROUTE_SOFTMAX_TOPK) softmax(picked, r->top_k);
    for (int64_t k = 0; r->kind == AS_ROUTE_TOPK_SIGMOID && k < r->top_k; k++) {
        picked[k] = 1 / (1 + exp(-picked[k]));
    }
    double sum = weights_norm(r, picked) + (r->norm_added > 0 ? (double)r->norm_added : 1e-20);
    for (int64_t k = 0; k < r->top_k; k++) {
        double weight = r->normalise ? picked[k] / sum : picked[k];
        r->weights[row * r->top_k + k] = (float)(weight * r->scale);
    }
}

typedef struct route_job {
    const as_exec *exec;
    const as_route_args *args;
} route_job;

static void route_body(void *context, int64_t row, int worker)
{
    const route_job *job = context;
    route_room room =
        room_in(as_exec_scratch(job->exec, worker), job->args->experts, as_max_i64(1, job->args->groups));
    route_row(job->args, row, &room);
}

void route_ref(const as_exec *exec, const as_route_args *args)
{
    route_job job = {exec, args};
    as_pool_for(exec->pool, args->n, route_body, &job);
}

static void combine_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_expert_combine_args *e = context;
    const int32_t *ids = e->ids + i * e->top_k;
    for (int64_t c = 0; c < e->width; c++) {
        double sum = e->out[i * e->out_stride + c];
        int64_t last = -1, at = -1;
        for (int64_t done = 0; done < e->top_k; done++) {
            int64_t next = -1; /* the rank whose expert follows `last`; the same one again may */
            for (int64_t k = 0; k < e->top_k; k++) {
                bool left = ids[k] > last || (ids[k] == last && k > at);
                if (left && (next < 0 || ids[k] < ids[next])) next = k;
            }
            last = ids[next];
            at = next;
            sum += (double)e->weights[i * e->top_k + next] * e->x[(i * e->top_k + next) * e->x_stride + c];
        }
        e->out[i * e->out_stride + c] = (float)sum;
    }
}

void expert_combine_ref(const as_exec *exec, const as_expert_combine_args *args)
{
    as_pool_for(exec->pool, args->n, combine_row, (void *)args);
}
