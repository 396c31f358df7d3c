/* GGUF files in several parts, as llama-gguf-split writes them; see gguf_model.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/load/gguf_model.h"

enum { MOST_PARTS = 99999 };

/* ---- the parts' own words ---- */

/* What a part says of the whole. */
typedef struct split {
    int64_t number, count, tensors; /* number from 0; tensors -1: it does not say */
} split;

static as_code read_split(const as_gguf *gguf, split *out, as_error *err)
{
    split s = {.count = 1, .tensors = -1};
    AS_TRY(as_gguf_get_int(gguf, "split.no", &s.number, err));
    AS_TRY(as_gguf_get_int(gguf, "split.count", &s.count, err));
    AS_TRY(as_gguf_get_int(gguf, "split.tensors.count", &s.tensors, err));
    if (s.count < 1) s.count = 1;
    if (s.count > MOST_PARTS || s.number < 0 || s.number >= s.count) {
        return as_fail(err, AS_E_INPUT, "\"split.no\" is %" PRId64 " of \"split.count\" %" PRId64, s.number,
                       s.count);
    }
    *out = s;
    return AS_OK;
}

static as_code check_part(const as_gguf *gguf, const split *first, int number, as_error *err)
{
    split own;
    AS_TRY(read_split(gguf, &own, err));
    if (own.count != first->count || own.tensors != first->tensors) {
        return as_fail(err, AS_E_INPUT,
                       "it is of %" PRId64 " parts with %" PRId64 " tensors, the first part says %" PRId64
                       " with %" PRId64 ": parts of different models",
                       own.count, own.tensors, first->count, first->tensors);
    }
    if (own.number == number) return AS_OK;
    return as_fail(err, AS_E_INPUT, "\"split.no\" is %" PRId64 ", expected %d by its name", own.number,
                   number);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const as_gguf_tensor *const *)a)->name, (*(const as_gguf_tensor *const *)b)->name);
}

static as_code check_names(const as_gguf_parts *parts, int64_t total, as_error *err)
{
    const as_gguf_tensor **sorted = AS_NEW_ARRAY(const as_gguf_tensor *, total);
    if (!sorted) return as_fail_memory(err, "the parts of a model");
    int64_t used = 0;
    for (int p = 0; p < parts->count; p++) {
        const as_gguf *g = &parts->files[p].gguf;
        for (int64_t i = 0; i < g->tensor_count; i++) sorted[used++] = &g->tensors[i];
    }
    qsort(sorted, (size_t)used, sizeof *sorted, by_name);
    as_code rc = AS_OK;
    for (int64_t i = 1; i < used && rc == AS_OK; i++) {
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) != 0) continue;
        rc = as_fail(err, AS_E_INPUT, "tensor \"%.160s\" stands in two parts", sorted[i]->name);
    }
    as_free(sorted);
    return rc;
}

/* ---- all together ---- */

static as_code open_part(const char *path, int number, const split *first, as_gguf_file *out, as_error *err)
{
    char room[AS_PATH_MAX];
    AS_TRY(as_gguf_part_path(path, number + 1, room, err));
    if (!as_file_exists(room)) {
        return as_fail(err, AS_E_NOT_FOUND, "%s is missing: the model is in %" PRId64 " parts",
                       as_path_base(room), first->count);
    }
    AS_TRY(as_gguf_open(room, out, err));
    as_code rc = check_part(&out->gguf, first, number, err);
    if (rc == AS_OK) return AS_OK;
    as_gguf_close(out);
    *out = (as_gguf_file){0};
    return as_wrap(err, "%s", as_path_base(room));
}

/* The first part's keys with the tensors of all; the names stay the parts'. */
static as_code join(as_gguf_parts *parts, int64_t stated, as_error *err)
{
    int64_t total = 0, used = 0;
    for (int p = 0; p < parts->count; p++) total += parts->files[p].gguf.tensor_count;
    if (parts->count > 1 && stated >= 0 && stated != total) {
        return as_fail(err, AS_E_INPUT,
                       "\"split.tensors.count\" is %" PRId64 ", but the parts hold %" PRId64 " tensors",
                       stated, total);
    }
    AS_TRY(check_names(parts, total, err));
    parts->whole = parts->files[0].gguf;
    parts->whole.tensors = AS_NEW_ARRAY(as_gguf_tensor, total);
    if (!parts->whole.tensors) return as_fail_memory(err, "the parts of a model");
    parts->whole.tensor_count = total;
    for (int p = 0; p < parts->count; p++) {
        const as_gguf *g = &parts->files[p].gguf;
        for (int64_t i = 0; i < g->tensor_count; i++) parts->whole.tensors[used++] = g->tensors[i];
    }
    return AS_OK;
}

as_code as_gguf_parts_open(const char *path, as_gguf_parts *out, as_error *err)
{
    char room[AS_PATH_MAX];
    as_gguf_part name = {.number = 1, .count = 1};
    as_gguf_file opened;
    split first;
    bool named = as_gguf_part_name(path, &name);
    AS_TRY(as_gguf_part_path(path, 1, room, err));
    if (named && !as_file_exists(room)) {
        return as_fail(err, AS_E_NOT_FOUND, "%s is missing: the model is in %d parts", as_path_base(room),
                       name.count);
    }
    AS_TRY(as_gguf_open(room, &opened, err));
    as_code rc = read_split(&opened.gguf, &first, err);
    if (rc == AS_OK && first.count > 1 && (!named || first.count != name.count)) {
        rc = as_fail(err, AS_E_INPUT,
                     "it is one of %" PRId64 " parts, whose names must end in -00001-of-%05" PRId64
                     ".gguf and so on",
                     first.count, first.count);
    }
    if (rc == AS_OK && first.number != 0) {
        rc = as_fail(err, AS_E_INPUT, "\"split.no\" is %" PRId64 ", expected 0 of the first part",
                     first.number);
    }
    as_gguf_parts parts = {.count = 1};
    if (rc == AS_OK && !(parts.files = AS_NEW_ARRAY(as_gguf_file, first.count))) {
        rc = as_fail_memory(err, "the parts of a model");
    }
    if (rc != AS_OK) {
        as_gguf_close(&opened);
        return rc == AS_E_MEMORY ? rc : as_wrap(err, "%s", as_path_base(room));
    }
    parts.files[0] = opened;
    for (int p = 1; rc == AS_OK && p < first.count; p++) {
        rc = open_part(path, p, &first, &parts.files[p], err);
        parts.count += rc == AS_OK;
    }
    if (rc == AS_OK) rc = join(&parts, first.tensors, err);
    if (rc != AS_OK) {
        as_gguf_parts_close(&parts);
        return rc;
    }
    *out = parts;
    return AS_OK;
}

void as_gguf_parts_close(as_gguf_parts *parts)
{
    as_free(parts->whole.tensors); /* the rest is the parts' */
    for (int p = 0; p < parts->count; p++) as_gguf_close(&parts->files[p]);
    as_free(parts->files);
    *parts = (as_gguf_parts){0};
}
