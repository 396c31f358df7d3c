/* Weights by slot; see binder.h. */
#include "engine/binder.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"

enum {
    NAME_MAX_BYTES = 256,
    RECENT_PAGES = 4, /* one matrix takes at most so many before its source is given up */
};

struct as_binder {
    as_binder_source source;
    const as_model_spec *spec;
    const as_precision *precision;
    as_pool *pool;
    as_model_memory *memory;
    const char *prefix;
    int64_t layer;
    uint64_t generated; /* tensors made so far: the stream of the next one */
    bool **used;        /* [weight file][tensor] */
    as_binder_totals totals;
};

static const char *const slot_names[AS_SLOT_COUNT] = {
    [AS_SLOT_NONE] = "nothing",
#define AS_SLOT(id, name) [AS_SLOT_##id] = name,
#include "engine/slots.def"
#undef AS_SLOT
};

const char *as_slot_name(as_slot slot)
{
    return slot_names[slot];
}

void *as_model_memory_take(as_model_memory *memory, int64_t count, size_t size)
{
    size_t bytes;
    if (count < 0 || !as_mul_size((size_t)count, size, &bytes)) return NULL;
    struct as_pages *pages = AS_ARENA_NEW(&memory->arena, struct as_pages);
    void *at = pages ? as_alloc_pages(bytes) : NULL;
    if (!at) return NULL;
    *pages = (struct as_pages){.at = at, .size = bytes, .next = memory->pages};
    memory->pages = pages;
    return at;
}

void as_model_memory_free(as_model_memory *memory)
{
    while (memory->pages) {
        struct as_pages *pages = memory->pages;
        memory->pages = pages->next;
        as_free_pages(pages->at, pages->size);
    }
    as_arena_free(&memory->arena);
}

/* ---- names -----------------------------------------------------------------------------------------------
 */

/* One name of a pattern: prefix + text + suffix with the layer's and the expert's number. The families' own
 * texts always fit. */
static void format_name(const as_binder *b, const char *pattern, size_t size, const char *suffix,
                        int64_t expert, char room[static NAME_MAX_BYTES])
{
    const char *end = pattern + size;
    size_t used = 0;
    room[0] = 0;
    if (*pattern == '^') {
        pattern++;
    } else {
        used = (size_t)snprintf(room, NAME_MAX_BYTES, "%s", b->prefix);
    }
    while (pattern < end && used < NAME_MAX_BYTES) {
        if (pattern[0] == '%' && (pattern[1] == 'd' || pattern[1] == 'e')) {
            long long number = pattern[1] == 'd' ? b->layer : expert;
            used += (size_t)snprintf(room + used, NAME_MAX_BYTES - used, "%lld", number);
            pattern += 2;
        } else {
            used += (size_t)snprintf(room + used, NAME_MAX_BYTES - used, "%c", *pattern++);
        }
    }
    AS_BUG(used + strlen(suffix) >= NAME_MAX_BYTES);
    memcpy(room + used, suffix, strlen(suffix) + 1);
}

/* The slot's tensor under any of its names, or NULL; room then holds the first name. */
static const as_tensor *look_up(const as_binder *b, as_slot slot, const char *suffix, int64_t expert,
                                char room[static NAME_MAX_BYTES])
{
    const char *pattern = b->spec->names[slot];
    AS_BUG(!pattern); /* the family uses a slot that it does not name */
    const char *first = pattern;
    while (*pattern) {
        size_t size = strcspn(pattern, "|");
        format_name(b, pattern, size, suffix, expert, room);
        const as_tensor *found = as_repository_find(b->source.repository, room);
        if (found) return found;
        pattern += size + (pattern[size] == '|');
    }
    format_name(b, first, strcspn(first, "|"), suffix, expert, room);
    return NULL;
}

/* The prefix under which this checkpoint holds its embedding; the family's first where none fits. */
static void choose_prefix(as_binder *b)
{
    char room[NAME_MAX_BYTES];
    for (const char *const *prefix = b->spec->prefixes; *prefix; prefix++) {
        b->prefix = *prefix;
        if (look_up(b, AS_SLOT_EMBED, ".weight", 0, room)) return;
    }
    b->prefix = b->spec->prefixes[0];
}

static void mark_used(as_binder *b, const as_tensor *tensor)
{
    const as_weight_file *file = &b->source.repository->weights[tensor->file];
    bool *used = &b->used[tensor->file][tensor - file->tensors];
    if (*used) return;
    *used = true;
    b->totals.parameters += tensor->elements;
    b->totals.checkpoint_bytes += (int64_t)tensor->bytes;
}

/* ---- open and close --------------------------------------------------------------------------------------
 */

as_code as_binder_open(const as_binder_source *source, const as_model_spec *spec,
                       const as_precision *precision, as_pool *pool, as_model_memory *memory, as_binder **out,
                       as_error *err)
{
    as_binder *b = AS_NEW(as_binder);
    if (!b) return as_fail_memory(err, "loading the weights");
    *b = (as_binder){.source = *source,
                     .spec = spec,
                     .precision = precision,
                     .pool = pool,
                     .memory = memory,
                     .layer = -1,
                     .prefix = spec->prefixes[0]};
    const as_repository *repo = source->repository;
    if (repo) {
        b->used = AS_NEW_ARRAY(bool *, repo->weight_count);
        for (int64_t i = 0; b->used && i < repo->weight_count; i++) {
            b->used[i] = AS_NEW_ARRAY(bool, repo->weights[i].tensor_count);
            if (!b->used[i]) {
                as_binder_close(b);
                return as_fail_memory(err, "loading the weights");
            }
        }
        if (!b->used) {
            as_free(b);
            return as_fail_memory(err, "loading the weights");
        }
        choose_prefix(b);
    }
    *out = b;
    return AS_OK;
}

void as_binder_close(as_binder *b)
{
    if (!b) return;
    for (int64_t i = 0; b->used && i < b->source.repository->weight_count; i++) as_free(b->used[i]);
    as_free(b->used);
    as_free(b);
}

void as_binder_layer(as_binder *b, int64_t layer)
{
    b->layer = layer;
}

as_binder_totals as_binder_result(const as_binder *b)
{
    return b->totals;
}

bool as_binder_has(const as_binder *b, as_slot slot, const char *suffix)
{
    char room[NAME_MAX_BYTES];
    return !b->source.repository || look_up(b, slot, suffix, 0, room);
}

bool as_binder_differs(as_binder *b, as_slot slot, as_slot same)
{
    char room[NAME_MAX_BYTES];
    as_repository *repo = b->source.repository;
    const as_tensor *one = repo ? look_up(b, slot, ".weight", 0, room) : NULL;
    const as_tensor *other = repo ? look_up(b, same, ".weight", 0, room) : NULL;
    if (!one || !other) return false;
    const void *one_data, *other_data;
    bool equal = one->bytes == other->bytes && one->dtype == other->dtype &&
                 as_repository_data(repo, one, &one_data, NULL) == AS_OK &&
                 as_repository_data(repo, other, &other_data, NULL) == AS_OK &&
                 memcmp(one_data, other_data, one->bytes) == 0;
    if (equal) b->used[one->file][one - repo->weights[one->file].tensors] = true;
    return !equal;
}

as_code as_binder_check_surplus(const as_binder *b, as_error *err)
{
    const as_repository *repo = b->source.repository;
    for (int64_t f = 0; repo && f < repo->weight_count; f++) {
        for (int64_t t = 0; t < repo->weights[f].tensor_count; t++) {
            const char *name = repo->weights[f].tensors[t].name;
            bool known = b->used[f][t];
            /* Another file's tensor of a name that the index gives elsewhere is the rules suite's matter. */
            known |= as_repository_find(repo, name) != &repo->weights[f].tensors[t];
            for (const char *const *pattern = b->spec->ignored; !known && *pattern; pattern++) {
                known = fnmatch(*pattern, name, 0) == 0;
            }
            if (!known) {
                return as_fail(err, AS_E_INPUT, "%s: tensor %s has no place in a %s of this configuration",
                               repo->weights[f].name, name, b->spec->architecture);
            }
        }
    }
    return AS_OK;
}

/* ---- memory ----------------------------------------------------------------------------------------------
 */

static void *take_pages(as_binder *b, int64_t bytes)
{
    return as_model_memory_take(b->memory, bytes, 1);
}

as_code as_bind_floats(as_binder *b, int64_t count, float **out, as_error *err)
{
    float *at = AS_ARENA_NEW_ARRAY(&b->memory->arena, float, count);
    if (!at) return as_fail_memory(err, "the weights");
    *out = at;
    return AS_OK;
}

/* The matrix was replaced by a copy of another type: its memory is not held twice. What a file maps stays
 * readable; the system reads it again if it is asked for. */
static void give_up(as_binder *b, const as_matrix *m)
{
    struct as_pages **at = &b->memory->pages;
    for (int i = 0; *at && i < RECENT_PAGES; i++, at = &(*at)->next) {
        struct as_pages *pages = *at;
        if (pages->at != m->data) continue;
        *at = pages->next;
        as_free_pages(pages->at, pages->size);
        return;
    }
    as_map_release(m->data, (uint64_t)(m->rows * m->stride * as_dtype_bytes(m->dtype)));
}

/* ---- tensors ---------------------------------------------------------------------------------------------
 */

static void describe_shape(const as_tensor *t, char room[static 96])
{
    int used = snprintf(room, 96, "[");
    for (int i = 0; i < t->dims && used < 90; i++) {
        used += snprintf(room + used, (size_t)(96 - used), i ? ",%lld" : "%lld", (long long)t->shape[i]);
    }
    snprintf(room + used, (size_t)(96 - used), "]");
}

/* Finds a tensor that must be there. */
static as_code need(as_binder *b, as_slot slot, const char *suffix, int64_t expert, const as_tensor **out,
                    as_error *err)
{
    char name[NAME_MAX_BYTES];
    const as_tensor *tensor = look_up(b, slot, suffix, expert, name);
    if (!tensor) return as_fail(err, AS_E_INPUT, "tensor %s (%s) is missing", name, as_slot_name(slot));
    if (!as_dtype_is_float(tensor->dtype)) {
        return as_fail(err, AS_E_UNSUPPORTED, "tensor %s (%s) holds %s, expected floating-point numbers",
                       name, as_slot_name(slot), as_dtype_name(tensor->dtype));
    }
    mark_used(b, tensor);
    *out = tensor;
    return AS_OK;
}

static as_code check_matrix_shape(const as_tensor *t, int64_t rows, int64_t cols, as_error *err)
{
    if (t->dims == 2 && t->shape[0] == rows && t->shape[1] == cols) return AS_OK;
    char found[96];
    describe_shape(t, found);
    return as_fail(err, AS_E_INPUT, "%s: shape %s, expected [%lld,%lld]", t->name, found, (long long)rows,
                   (long long)cols);
}

/* Types that a product reads as they are. */
static bool is_product_type(as_dtype type)
{
    return type == AS_F32 || type == AS_F16 || type == AS_BF16;
}

/* ---- conversion ------------------------------------------------------------------------------------------
 */

typedef struct convert_job {
    const as_matrix *from;
    as_matrix *to;
} convert_job;

enum { CONVERT_ROWS = 16 };

static void convert_rows(void *context, int64_t i, int worker)
{
    (void)worker;
    const convert_job *job = context;
    const as_matrix *from = job->from;
    float chunk[512];
    int64_t last = (i + 1) * CONVERT_ROWS < from->rows ? (i + 1) * CONVERT_ROWS : from->rows;
    for (int64_t r = i * CONVERT_ROWS; r < last; r++) {
        const unsigned char *in =
            (const unsigned char *)from->data + r * from->stride * as_dtype_bytes(from->dtype);
        unsigned char *out = (unsigned char *)job->to->data + r * from->cols * as_dtype_bytes(job->to->dtype);
        for (int64_t c = 0; c < from->cols; c += 512) {
            int64_t n = from->cols - c < 512 ? from->cols - c : 512;
            as_convert_to_f32(from->dtype, in + c * as_dtype_bytes(from->dtype), chunk, n);
            as_convert_from_f32(job->to->dtype, chunk, out + c * as_dtype_bytes(job->to->dtype), n);
        }
    }
}

/* A copy of the matrix in another type, in the model's memory. */
static as_code convert(as_binder *b, as_matrix *m, as_dtype type, as_error *err)
{
    as_matrix to = *m;
    to.dtype = type;
    to.stride = m->cols;
    to.data = take_pages(b, m->rows * m->cols * as_dtype_bytes(type));
    if (!to.data) return as_fail_memory(err, "the weights");
    convert_job job = {.from = m, .to = &to};
    as_pool_for(b->pool, (m->rows + CONVERT_ROWS - 1) / CONVERT_ROWS, convert_rows, &job);
    give_up(b, m);
    *m = to;
    return AS_OK;
}

static as_code quantize(as_binder *b, as_matrix *m, as_error *err)
{
    const as_precision *p = b->precision;
    as_matrix to = {.dtype = AS_E4M3,
                    .scale = p->scale,
                    .rows = m->rows,
                    .cols = m->cols,
                    .stride = m->cols,
                    .block_rows = p->block_rows,
                    .block_cols = p->block_cols};
    int64_t scales = as_precision_scale_count(p, m->rows, m->cols);
    uint8_t *data = take_pages(b, m->rows * m->cols);
    float *scale = take_pages(b, scales * (int64_t)sizeof *scale);
    if (!data || !scale) return as_fail_memory(err, "the weights");
    as_precision_quantize(p, m, data, scale, b->pool);
    to.data = data;
    to.scales = scale;
    b->totals.weight_bytes += scales * (int64_t)sizeof *scale;
    give_up(b, m);
    *m = to;
    return AS_OK;
}

/* ---- generated weights -----------------------------------------------------------------------------------
 */

typedef struct generate_job {
    uint64_t seed, stream;
    as_dtype dtype;
    int64_t count;
    float spread;
    unsigned char *out;
} generate_job;

enum { GENERATE_CHUNK = 8192 };

/* Uniform numbers of the given standard deviation; eight from each block of the generator. */
static void generate_chunk(void *context, int64_t i, int worker)
{
    (void)worker;
    const generate_job *job = context;
    float values[GENERATE_CHUNK];
    int64_t first = i * GENERATE_CHUNK,
            n = job->count - first < GENERATE_CHUNK ? job->count - first : GENERATE_CHUNK;
    float step = job->spread * 1.7320508f / 32768.0f; /* sqrt 3: half width of a uniform of deviation 1 */
    for (int64_t k = 0; k < n; k += 8) {
        uint32_t words[4];
        as_rng_block(job->seed, job->stream, (uint64_t)(first + k) / 8, words);
        for (int64_t j = 0; j < 8 && k + j < n; j++) {
            int32_t half = (int32_t)(words[j / 2] >> (j % 2 * 16) & 0xFFFF) - 32768;
            values[k + j] = ((float)half + 0.5f) * step;
        }
    }
    as_convert_from_f32(job->dtype, values, job->out + first * as_dtype_bytes(job->dtype), n);
}

static as_code generate(as_binder *b, int64_t rows, int64_t cols, as_matrix *out, as_error *err)
{
    as_dtype type = b->source.dtype;
    generate_job job = {.seed = b->source.seed,
                        .stream = b->generated++,
                        .dtype = type,
                        .count = rows * cols,
                        .spread = 1.0f / sqrtf((float)cols)};
    job.out = take_pages(b, job.count * as_dtype_bytes(type));
    if (!job.out) return as_fail_memory(err, "the generated weights");
    as_pool_for(b->pool, (job.count + GENERATE_CHUNK - 1) / GENERATE_CHUNK, generate_chunk, &job);
    b->totals.parameters += job.count;
    b->totals.checkpoint_bytes += job.count * as_dtype_bytes(type);
    *out = (as_matrix){.dtype = type, .rows = rows, .cols = cols, .stride = cols, .data = job.out};
    return AS_OK;
}

/* Norms pass through, biases are zero, other vectors (decay rates, step sizes) are small and positive. */
static as_code generate_vector(as_binder *b, as_slot slot, const char *suffix, int64_t count,
                               const float **out, as_error *err)
{
    float *values = NULL;
    AS_TRY(as_bind_floats(b, count, &values, err));
    bool bias = strcmp(suffix, ".bias") == 0, raw = suffix[0] == 0;
    uint64_t stream = b->generated++;
    for (int64_t i = 0; i < count; i++) {
        uint32_t words[4];
        as_rng_block(b->source.seed, stream, (uint64_t)i, words);
        float unit = (float)(words[0] >> 8) * 0x1p-24f;
        values[i] = bias ? 0 : raw ? unit : slot == AS_SLOT_SSM_CONV ? unit - 0.5f : 1;
    }
    b->totals.parameters += count;
    b->totals.checkpoint_bytes += count * as_dtype_bytes(b->source.dtype);
    b->totals.weight_bytes += count * (int64_t)sizeof *values;
    *out = values;
    return AS_OK;
}

/* ---- binding ---------------------------------------------------------------------------------------------
 */

/* A matrix as stored (or generated), in a type that products read and aligned for it. */
static as_code fetch(as_binder *b, as_slot slot, int64_t expert, int64_t rows, int64_t cols, as_matrix *out,
                     as_error *err)
{
    if (!b->source.repository) return generate(b, rows, cols, out, err);
    const as_tensor *tensor;
    AS_TRY(need(b, slot, ".weight", expert, &tensor, err));
    AS_TRY(check_matrix_shape(tensor, rows, cols, err));
    const void *data;
    AS_TRY(as_repository_data(b->source.repository, tensor, &data, err));
    as_matrix m = {.dtype = tensor->dtype, .rows = rows, .cols = cols, .stride = cols, .data = data};
    bool misaligned = (uintptr_t)data % (uintptr_t)as_dtype_bytes(m.dtype) != 0;
    if (!is_product_type(m.dtype)) {
        AS_TRY(convert(b, &m, AS_F32, err));
    } else if (misaligned) {
        AS_TRY(convert(b, &m, m.dtype, err));
    }
    *out = m;
    return AS_OK;
}

static int64_t held_bytes(const as_matrix *m)
{
    return m->rows * m->cols * as_dtype_bytes(m->dtype);
}

as_code as_bind_matrix(as_binder *b, as_slot slot, int64_t rows, int64_t cols, as_matrix *out, as_error *err)
{
    as_matrix m;
    AS_TRY(fetch(b, slot, 0, rows, cols, &m, err));
    const as_precision *p = b->precision;
    if (!p->as_stored && !p->keep_base && m.dtype != p->base) AS_TRY(convert(b, &m, p->base, err));
    b->totals.weight_bytes += held_bytes(&m);
    *out = m;
    return AS_OK;
}

static as_code to_precision(as_binder *b, as_matrix *m, as_activation_rounding *rounding, as_error *err)
{
    const as_precision *p = b->precision;
    if (p->quantized) {
        AS_TRY(quantize(b, m, err));
        *rounding = p->rounding;
    } else if (!p->as_stored && m->dtype != p->base) {
        AS_TRY(convert(b, m, p->base, err));
    }
    b->totals.weight_bytes += held_bytes(m);
    return AS_OK;
}

as_code as_bind_linear(as_binder *b, as_slot slot, int64_t rows, int64_t cols, bool bias, as_linear *out,
                       as_error *err)
{
    as_linear linear = {0};
    AS_TRY(fetch(b, slot, 0, rows, cols, &linear.w, err));
    AS_TRY(to_precision(b, &linear.w, &linear.rounding, err));
    if (bias) AS_TRY(as_bind_vector(b, slot, ".bias", rows, &linear.bias, err));
    *out = linear;
    return AS_OK;
}

as_code as_bind_experts(as_binder *b, as_slot slot, int64_t experts, int64_t rows, int64_t cols,
                        as_expert_stack *out, as_error *err)
{
    as_matrix *stack = AS_ARENA_NEW_ARRAY(&b->memory->arena, as_matrix, experts);
    if (!stack) return as_fail_memory(err, "the experts");
    as_expert_stack result = {.w = stack};
    int64_t before = b->totals.parameters;
    for (int64_t e = 0; e < experts; e++) {
        AS_TRY(fetch(b, slot, e, rows, cols, &stack[e], err));
        AS_TRY(to_precision(b, &stack[e], &result.rounding, err));
    }
    b->totals.expert_parameters += b->totals.parameters - before;
    *out = result;
    return AS_OK;
}

as_code as_bind_vector(as_binder *b, as_slot slot, const char *suffix, int64_t count, const float **out,
                       as_error *err)
{
    if (!b->source.repository) return generate_vector(b, slot, suffix, count, out, err);
    const as_tensor *tensor;
    AS_TRY(need(b, slot, suffix, 0, &tensor, err));
    if (tensor->elements != count) {
        char found[96];
        describe_shape(tensor, found);
        return as_fail(err, AS_E_INPUT, "%s: shape %s, expected %lld values", tensor->name, found,
                       (long long)count);
    }
    const void *data;
    AS_TRY(as_repository_data(b->source.repository, tensor, &data, err));
    float *values = NULL;
    AS_TRY(as_bind_floats(b, count, &values, err));
    as_convert_to_f32(tensor->dtype, data, values, count);
    const as_precision *p = b->precision;
    if (!p->as_stored && !p->keep_base && p->base != AS_F32 && tensor->dtype != p->base) {
        for (int64_t i = 0; i < count; i++) {
            uint16_t rounded;
            as_convert_from_f32(p->base, &values[i], &rounded, 1);
            as_convert_to_f32(p->base, &rounded, &values[i], 1);
        }
    }
    b->totals.weight_bytes += count * (int64_t)sizeof *values;
    *out = values;
    return AS_OK;
}

as_code as_bind_norm(as_binder *b, const as_norm_spec *norm, int64_t width, as_norm_weights *out,
                     as_error *err)
{
    as_norm_weights weights = {0};
    if (norm->present && !norm->weightless) {
        AS_TRY(as_bind_vector(b, norm->slot, ".weight", width, &weights.weight, err));
        if (norm->has_bias) AS_TRY(as_bind_vector(b, norm->slot, ".bias", width, &weights.bias, err));
    }
    *out = weights;
    return AS_OK;
}
