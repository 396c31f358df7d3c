/* Parsing the header of a GGUF file; see gguf.h. */
#include "engine/load/gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum {
    MAX_NAME = 65535, /* of keys, and so of names */
    MAX_NESTING = 8,
    MAX_ALIGNMENT = 1 << 20,
    DEFAULT_ALIGNMENT = 32,
    LEAST_PAIR = 8 + 4 + 1,           /* bytes of an empty key, its type, the shortest value */
    LEAST_TENSOR = 8 + 4 + 4 + 8 + 1, /* of a name, no dimension, its kind, its offset */
};

/* The file's numbers of the kinds of tensors; gaps were given up. */
static const as_gguf_kind kinds[] = {
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},      {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},
};

static const unsigned char type_bytes[AS_GGUF_TYPE_COUNT] = {
#define TYPE_BYTES(id, name, bytes) [id] = bytes,
    AS_GGUF_TYPES(TYPE_BYTES)
#undef TYPE_BYTES
};

typedef struct reader {
    const unsigned char *data;
    uint64_t size, at; /* of the bytes at hand */
    uint64_t file_size;
    as_gguf *out;
    as_error *err;
} reader;

static as_code cut(const reader *r, const char *what)
{
    if (r->size < r->file_size) {
        return as_fail(r->err, AS_E_LIMIT, "%s goes beyond the first %" PRIu64 " bytes, all that were read",
                       what, r->size);
    }
    return as_fail(r->err, AS_E_INPUT, "%s goes beyond the end of the file: cut, or not a GGUF file", what);
}

static as_code take(reader *r, uint64_t count, const char *what, const unsigned char **out)
{
    if (count > r->size - r->at) return cut(r, what);
    *out = r->data + r->at;
    r->at += count;
    return AS_OK;
}

static as_code take_u32(reader *r, const char *what, uint32_t *out)
{
    const unsigned char *at = NULL;
    AS_TRY(take(r, sizeof *out, what, &at));
    memcpy(out, at, sizeof *out);
    return AS_OK;
}

static as_code take_u64(reader *r, const char *what, uint64_t *out)
{
    const unsigned char *at = NULL;
    AS_TRY(take(r, sizeof *out, what, &at));
    memcpy(out, at, sizeof *out);
    return AS_OK;
}

/* A key or a tensor's name, copied. */
static as_code take_name(reader *r, const char *what, const char **out)
{
    uint64_t size = 0;
    const unsigned char *at = NULL;
    AS_TRY(take_u64(r, what, &size));
    if (size > MAX_NAME) {
        return as_fail(r->err, AS_E_INPUT, "%s is %" PRIu64 " bytes long, at most %d are allowed", what, size,
                       MAX_NAME);
    }
    AS_TRY(take(r, size, what, &at));
    if (memchr(at, 0, size) || !as_utf8_is_valid((const char *)at, size)) {
        return as_fail(r->err, AS_E_INPUT, "%s is not UTF-8 text", what);
    }
    *out = as_arena_strndup(&r->out->arena, (const char *)at, size);
    return *out ? AS_OK : as_fail_memory(r->err, "a GGUF header");
}

/* ---- metadata ---- */

static as_code take_type(reader *r, as_gguf_type *out)
{
    uint32_t number = 0;
    AS_TRY(take_u32(r, "a type", &number));
    if (number >= AS_GGUF_TYPE_COUNT) {
        return as_fail(r->err, AS_E_INPUT, "value type %" PRIu32 " is not known", number);
    }
    *out = (as_gguf_type)number;
    return AS_OK;
}

static as_code take_value(reader *r, as_gguf_value *value, int depth);

static as_code take_array(reader *r, as_gguf_value *value, int depth)
{
    if (depth == MAX_NESTING) {
        return as_fail(r->err, AS_E_LIMIT, "arrays within arrays, more than %d deep", MAX_NESTING);
    }
    AS_TRY(take_type(r, &value->item));
    AS_TRY(take_u64(r, "an array", &value->count));
    uint64_t least = type_bytes[value->item] ? type_bytes[value->item] : 8;
    if (value->count > (r->size - r->at) / least) return cut(r, "an array");
    value->at = r->data + r->at;
    if (type_bytes[value->item]) {
        r->at += value->count * least;
        return AS_OK;
    }
    for (uint64_t i = 0; i < value->count; i++) {
        as_gguf_value item = {.type = value->item};
        AS_TRY(take_value(r, &item, depth + 1));
    }
    return AS_OK;
}

static as_code take_value(reader *r, as_gguf_value *value, int depth)
{
    if (value->type == AS_GGUF_ARRAY) return take_array(r, value, depth);
    value->count = 1;
    if (value->type != AS_GGUF_STRING) return take(r, type_bytes[value->type], "a value", &value->at);
    AS_TRY(take_u64(r, "a text", &value->count));
    return take(r, value->count, "a text", &value->at);
}

static as_code take_pair(reader *r, as_gguf_pair *pair)
{
    AS_TRY(take_name(r, "a key", &pair->key));
    as_code rc = take_type(r, &pair->value.type);
    if (rc == AS_OK) rc = take_value(r, &pair->value, 0);
    return rc == AS_OK ? rc : as_wrap(r->err, "key \"%.160s\"", pair->key);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const as_gguf_pair *)a)->key, ((const as_gguf_pair *)b)->key);
}

static as_code take_pairs(reader *r, uint64_t count)
{
    as_gguf *g = r->out;
    if (count > (r->size - r->at) / LEAST_PAIR) return cut(r, "the metadata");
    g->pairs = AS_NEW_ARRAY(as_gguf_pair, count);
    if (!g->pairs) return as_fail_memory(r->err, "a GGUF header");
    for (uint64_t i = 0; i < count; i++) AS_TRY(take_pair(r, &g->pairs[i]));
    g->pair_count = (int64_t)count;
    qsort(g->pairs, count, sizeof *g->pairs, by_key);
    for (uint64_t i = 1; i < count; i++) {
        if (strcmp(g->pairs[i - 1].key, g->pairs[i].key) == 0) {
            return as_fail(r->err, AS_E_INPUT, "key \"%.160s\" stands twice", g->pairs[i].key);
        }
    }
    return AS_OK;
}

/* ---- tensors ---- */

static as_code find_kind(uint32_t number, const as_gguf_kind **out, as_error *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].number != number) continue;
        *out = &kinds[i];
        return AS_OK;
    }
    return as_fail(err, AS_E_UNSUPPORTED, "its type is number %" PRIu32 ", which is not known", number);
}

static as_code take_shape(reader *r, as_gguf_tensor *t)
{
    uint32_t dims = 0;
    AS_TRY(take_u32(r, "a shape", &dims));
    if (dims > AS_GGUF_DIMS) {
        return as_fail(r->err, AS_E_INPUT, "%" PRIu32 " dimensions, at most %d are allowed", dims,
                       AS_GGUF_DIMS);
    }
    t->dims = (int)dims;
    t->elements = 1;
    for (int i = 0; i < t->dims; i++) {
        uint64_t length = 0;
        AS_TRY(take_u64(r, "a shape", &length));
        if (length > INT64_MAX || __builtin_mul_overflow(t->elements, (int64_t)length, &t->elements)) {
            return as_fail(r->err, AS_E_INPUT, "the shape has more than 2^63 elements");
        }
        t->shape[i] = (int64_t)length;
    }
    return AS_OK;
}

static as_code measure(const reader *r, as_gguf_tensor *t)
{
    int64_t row = t->dims ? t->shape[0] : 1, bytes;
    if (row % t->kind->block) {
        return as_fail(r->err, AS_E_INPUT, "rows of %" PRId64 " elements, %s needs a multiple of %" PRId64,
                       row, t->kind->name, t->kind->block);
    }
    if (__builtin_mul_overflow(t->elements / t->kind->block, t->kind->bytes, &bytes)) {
        return as_fail(r->err, AS_E_INPUT, "the shape has more than 2^63 bytes");
    }
    t->bytes = (uint64_t)bytes;
    return AS_OK;
}

static as_code take_tensor_fields(reader *r, as_gguf_tensor *t)
{
    uint32_t kind = 0;
    AS_TRY(take_shape(r, t));
    AS_TRY(take_u32(r, "a tensor's type", &kind));
    AS_TRY(find_kind(kind, &t->kind, r->err));
    AS_TRY(take_u64(r, "a tensor's offset", &t->offset));
    return measure(r, t);
}

static as_code take_tensors(reader *r, uint64_t count)
{
    as_gguf *g = r->out;
    if (count > (r->size - r->at) / LEAST_TENSOR) return cut(r, "the list of tensors");
    g->tensors = AS_NEW_ARRAY(as_gguf_tensor, count);
    if (!g->tensors) return as_fail_memory(r->err, "a GGUF header");
    for (uint64_t i = 0; i < count; i++) {
        as_gguf_tensor *t = &g->tensors[i];
        AS_TRY(take_name(r, "a tensor's name", &t->name));
        as_code rc = take_tensor_fields(r, t);
        if (rc != AS_OK) return as_wrap(r->err, "tensor \"%.160s\"", t->name);
    }
    g->tensor_count = (int64_t)count;
    return AS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const as_gguf_tensor *const *)a)->name, (*(const as_gguf_tensor *const *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const as_gguf_tensor *x = *(const as_gguf_tensor *const *)a, *y = *(const as_gguf_tensor *const *)b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static as_code check_names(const as_gguf_tensor *const *sorted, int64_t count, as_error *err)
{
    for (int64_t i = 1; i < count; i++) {
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0) {
            return as_fail(err, AS_E_INPUT, "tensor \"%.160s\" stands twice", sorted[i]->name);
        }
    }
    return AS_OK;
}

/* Offsets are still relative to the data part. */
static as_code check_places(const reader *r, const as_gguf_tensor *const *sorted, uint64_t data_bytes)
{
    uint64_t end = 0;
    for (int64_t i = 0; i < r->out->tensor_count; i++) {
        const as_gguf_tensor *t = sorted[i];
        if (t->offset % r->out->alignment) {
            return as_fail(r->err, AS_E_INPUT,
                           "tensor \"%.160s\" begins at %" PRIu64
                           ", not a multiple of the alignment %" PRIu32,
                           t->name, t->offset, r->out->alignment);
        }
        if (t->offset < end) {
            return as_fail(r->err, AS_E_INPUT, "tensor \"%.160s\" begins at %" PRIu64 ", inside \"%.160s\"",
                           t->name, t->offset, sorted[i - 1]->name);
        }
        if (t->offset > data_bytes || t->bytes > data_bytes - t->offset) {
            return as_fail(r->err, AS_E_INPUT,
                           "tensor \"%.160s\" needs %" PRIu64 " bytes at %" PRIu64
                           ", but the file holds %" PRIu64 " bytes of tensors: the file is cut",
                           t->name, t->bytes, t->offset, data_bytes);
        }
        end = t->offset + t->bytes;
    }
    return AS_OK;
}

static as_code check_tensors(const reader *r, uint64_t data_at)
{
    as_gguf *g = r->out;
    const as_gguf_tensor **sorted = AS_NEW_ARRAY(const as_gguf_tensor *, g->tensor_count);
    if (!sorted) return as_fail_memory(r->err, "a GGUF header");
    for (int64_t i = 0; i < g->tensor_count; i++) sorted[i] = &g->tensors[i];
    qsort(sorted, (size_t)g->tensor_count, sizeof *sorted, by_name);
    as_code rc = check_names(sorted, g->tensor_count, r->err);
    if (rc == AS_OK) {
        qsort(sorted, (size_t)g->tensor_count, sizeof *sorted, by_place);
        rc = check_places(r, sorted, r->file_size > data_at ? r->file_size - data_at : 0);
    }
    as_free(sorted);
    for (int64_t i = 0; rc == AS_OK && i < g->tensor_count; i++) g->tensors[i].offset += data_at;
    return rc;
}

/* ---- the file ---- */

static as_code take_alignment(const reader *r)
{
    int64_t alignment = DEFAULT_ALIGNMENT;
    AS_TRY(as_gguf_get_int(r->out, "general.alignment", &alignment, r->err));
    if (alignment < 1 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1))) {
        return as_fail(r->err, AS_E_INPUT, "\"general.alignment\" is %" PRId64 ", expected a power of two",
                       alignment);
    }
    r->out->alignment = (uint32_t)alignment;
    return AS_OK;
}

static as_code take_version(reader *r)
{
    const unsigned char *magic = NULL;
    AS_TRY(take(r, 4, "the magic", &magic));
    if (memcmp(magic, "GGUF", 4) != 0) {
        return as_fail(r->err, AS_E_INPUT, "it does not begin with \"GGUF\": not a GGUF file");
    }
    AS_TRY(take_u32(r, "the version", &r->out->version));
    if (r->out->version == 2 || r->out->version == 3) return AS_OK;
    uint32_t swapped = __builtin_bswap32(r->out->version);
    if (swapped >= 1 && swapped <= 3) {
        return as_fail(r->err, AS_E_UNSUPPORTED,
                       "it is written in big-endian byte order; convert it for little-endian machines");
    }
    return as_fail(r->err, AS_E_UNSUPPORTED, "version %" PRIu32 ", versions 2 and 3 are read",
                   r->out->version);
}

static as_code parse(reader *r)
{
    uint64_t tensors = 0, pairs = 0;
    AS_TRY(take_version(r));
    AS_TRY(take_u64(r, "the number of tensors", &tensors));
    AS_TRY(take_u64(r, "the number of keys", &pairs));
    AS_TRY(take_pairs(r, pairs));
    AS_TRY(take_alignment(r));
    AS_TRY(take_tensors(r, tensors));
    r->out->header_bytes = r->at;
    uint64_t alignment = r->out->alignment;
    return check_tensors(r, (r->at + alignment - 1) / alignment * alignment);
}

as_code as_gguf_parse(const unsigned char *head, uint64_t head_bytes, uint64_t size, as_gguf *out,
                      as_error *err)
{
    as_gguf made = {.alignment = DEFAULT_ALIGNMENT};
    reader r = {.data = head, .size = head_bytes, .file_size = size, .out = &made, .err = err};
    as_arena_init(&made.arena, 0);
    as_code rc = parse(&r);
    if (rc != AS_OK) {
        as_gguf_free(&made);
        return rc;
    }
    *out = made;
    return AS_OK;
}

void as_gguf_free(as_gguf *gguf)
{
    as_free(gguf->pairs);
    as_free(gguf->tensors);
    as_arena_free(&gguf->arena);
    *gguf = (as_gguf){0};
}
