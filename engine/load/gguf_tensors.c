/* The tensors of a GGUF file by the hub's names; see gguf_model.h. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/arch/gguf.h"
#include "engine/load/gguf_model.h"

enum { NAME_BYTES = 256, MOST_EXPERTS = 1 << 14, LEAST_EXPERT_BYTES = 64 };

/* Kinds that are read, by their number in the file. */
static const struct {
    uint32_t number;
    as_dtype dtype;
} kinds[] = {{0, AS_F32},  {1, AS_F16},  {8, AS_Q8_0}, {24, AS_I8},  {25, AS_I16},
             {26, AS_I32}, {27, AS_I64}, {28, AS_F64}, {30, AS_BF16}};

typedef struct tensor_list {
    as_arena *arena;
    const as_gguf_family *family;
    as_tensor *tensors;
    int64_t count, room;
} tensor_list;

static bool find_dtype(const as_gguf_kind *kind, as_dtype *out)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].number != kind->number) continue;
        *out = kinds[i].dtype;
        return true;
    }
    return false;
}

/* ---- names ---- */

typedef struct numbers {
    long layer, expert; /* -1: none in the name */
} numbers;

static bool take_number(const char **at, const char *end, long *out)
{
    long value = 0;
    const char *start = *at;
    while (*at < end && isdigit((unsigned char)**at) && *at - start < 6)
        value = value * 10 + (*(*at)++ - '0');
    *out = value;
    return *at > start;
}

/* Whether the first `size` bytes of name are of the pattern. */
static bool matches(const char *pattern, const char *name, size_t size, numbers *out)
{
    const char *end = name + size;
    for (; *pattern; pattern++) {
        if (pattern[0] == '%' && (pattern[1] == 'd' || pattern[1] == 'e')) {
            if (!take_number(&name, end, pattern[1] == 'd' ? &out->layer : &out->expert)) return false;
            pattern++;
        } else if (name == end || *name++ != *pattern) {
            return false;
        }
    }
    return name == end;
}

static void format(const char *pattern, const numbers *n, const char *suffix, char room[static NAME_BYTES])
{
    size_t used = 0;
    for (; *pattern && used < NAME_BYTES - 32; pattern++) {
        if (pattern[0] == '%' && (pattern[1] == 'd' || pattern[1] == 'e')) {
            used += (size_t)snprintf(room + used, NAME_BYTES - used, "%ld",
                                     pattern[1] == 'd' ? n->layer : n->expert);
            pattern++;
        } else {
            room[used++] = *pattern;
        }
    }
    snprintf(room + used, NAME_BYTES - used, "%s", suffix);
}

static const char *find_name(const as_gguf_name *names, const char *name, size_t size, numbers *out)
{
    for (; names && names->from; names++) {
        *out = (numbers){-1, -1};
        if (matches(names->from, name, size, out)) return names->to;
    }
    return NULL;
}

/* ---- tensors ---- */

static as_code push(tensor_list *list, const as_tensor *tensor, const char *name, as_error *err)
{
    if (list->count == list->room) {
        int64_t room = list->room ? list->room * 2 : 64;
        as_tensor *more = as_realloc(list->tensors, (size_t)room * sizeof *more);
        if (!more) return as_fail_memory(err, "the table of tensors");
        list->tensors = more;
        list->room = room;
    }
    as_tensor *made = &list->tensors[list->count];
    *made = *tensor;
    made->name = as_arena_strdup(list->arena, name);
    if (!made->name) return as_fail_memory(err, "the table of tensors");
    list->count++;
    return AS_OK;
}

/* One tensor of all experts as one for each: their bytes follow one another. */
static as_code push_experts(tensor_list *list, const as_tensor *stack, const char *to, numbers at,
                            const char *suffix, as_error *err)
{
    char name[NAME_BYTES];
    int64_t experts = stack->shape[0];
    if (stack->dims < 2 || experts < 1 || experts > MOST_EXPERTS ||
        stack->bytes / (uint64_t)experts < LEAST_EXPERT_BYTES) {
        return as_fail(err, AS_E_INPUT, "%s: a stack of %lld experts", stack->name, (long long)experts);
    }
    as_tensor one = *stack;
    one.dims--;
    memmove(one.shape, one.shape + 1, (size_t)one.dims * sizeof *one.shape);
    one.elements /= experts;
    one.bytes /= (uint64_t)experts;
    for (at.expert = 0; at.expert < experts; at.expert++) {
        format(to, &at, suffix, name);
        AS_TRY(push(list, &one, name, err));
        one.offset += one.bytes;
    }
    return AS_OK;
}

static as_code add(tensor_list *list, const as_gguf_tensor *t, as_error *err)
{
    static const char *const suffixes[] = {".weight", ".bias", ""};
    as_tensor made = {
        .name = t->name, .dims = t->dims, .elements = t->elements, .offset = t->offset, .bytes = t->bytes};
    if (!find_dtype(t->kind, &made.dtype)) {
        return as_fail(err, AS_E_UNSUPPORTED,
                       "tensor \"%.160s\" holds %s, which is not supported yet (F32, F16, BF16 and Q8_0 are)",
                       t->name, t->kind->name);
    }
    for (int i = 0; i < t->dims; i++) made.shape[i] = t->shape[t->dims - 1 - i];
    if (strncmp(t->name, "rope_f", 6) == 0) return AS_OK; /* factors: part of the configuration */
    size_t size = strlen(t->name), cut = 0;
    int s = 0;
    for (; s < 2; s++) {
        cut = strlen(suffixes[s]);
        if (size > cut && strcmp(t->name + size - cut, suffixes[s]) == 0) break;
    }
    if (s == 2) cut = 0;
    numbers at;
    const char *to = find_name(list->family->names, t->name, size, &at);
    if (to) s = 2;
    if (!to) to = find_name(list->family->names, t->name, size - cut, &at);
    if (!to) to = find_name(as_gguf_names, t->name, size - cut, &at);
    if (!to) return push(list, &made, t->name, err);
    if (strstr(to, "%e") && at.expert < 0) return push_experts(list, &made, to, at, suffixes[s], err);
    char name[NAME_BYTES];
    format(to, &at, suffixes[s], name);
    return push(list, &made, name, err);
}

as_code as_gguf_tensors(const as_gguf *gguf, as_arena *arena, as_tensor **out, int64_t *count, as_error *err)
{
    tensor_list list = {.arena = arena};
    AS_TRY(as_gguf_family_find(gguf, &list.family, err));
    as_code rc = AS_OK;
    for (int64_t i = 0; rc == AS_OK && i < gguf->tensor_count; i++) rc = add(&list, &gguf->tensors[i], err);
    if (rc != AS_OK) {
        as_free(list.tensors);
        return rc;
    }
    *out = list.tensors;
    *count = list.count;
    return AS_OK;
}
