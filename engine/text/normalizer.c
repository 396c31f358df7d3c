/* The list of normalizers and how it is read; see normalizer.h. */
#include "engine/text/normalizer.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/text/part.h"
#include "engine/text/regex.h"

enum { STEPS_MAX = 1024 };

struct as_normalizer {
    as_normal_step *steps; /* nested sequences laid out flat */
    size_t count, room;
};

static const as_normal_kind *const kinds[] = {/* without "type", the first that fits */
                                              &as_normal_bert,          &as_normal_strip,
                                              &as_normal_strip_accents, &as_normal_nfc,
                                              &as_normal_nfd,           &as_normal_nfkc,
                                              &as_normal_nfkd,          &as_normal_lowercase,
                                              &as_normal_nmt,           &as_normal_precompiled,
                                              &as_normal_replace,       &as_normal_prepend,
                                              &as_normal_byte_level};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const as_normal_kind *find_kind(const json_t *value, const char *type)
{
    for (int i = 0; i < KINDS; i++) {
        if (type ? strcmp(kinds[i]->type, type) == 0 : as_part_has_fields(value, kinds[i]->fields))
            return kinds[i];
    }
    /* BertNormalizer is written with its full name; the library reads the short one as well. */
    return type && strcmp(type, "Bert") == 0 ? &as_normal_bert : NULL;
}

static as_code add_step(void *context, const json_t *value, const char *type, as_error *err)
{
    as_normalizer *n = context;
    const as_normal_kind *kind = find_kind(value, type);
    if (!kind) return as_part_unknown("normalizer", type, err);
    if (n->count == n->room) {
        if (n->room >= STEPS_MAX) return as_fail(err, AS_E_LIMIT, "more than %d normalizers", (int)STEPS_MAX);
        size_t room = n->room ? n->room * 2 : 8;
        as_normal_step *steps = as_realloc(n->steps, room * sizeof *steps);
        if (!steps) return as_fail_memory(err, "the normalizers");
        n->steps = steps;
        n->room = room;
    }
    as_normal_step *step = &n->steps[n->count++];
    *step = (as_normal_step){.kind = kind};
    as_code rc = kind->open ? kind->open(step, value, err) : AS_OK;
    return rc == AS_OK ? AS_OK : as_wrap(err, "%s", kind->type);
}

as_code as_normalizer_open(const json_t *value, as_normalizer **out, as_error *err)
{
    as_normalizer *n = AS_NEW(as_normalizer);
    if (!n) return as_fail_memory(err, "the normalizers");
    as_code rc = as_part_each(value, "normalizers", add_step, n, err);
    if (rc != AS_OK) {
        as_normalizer_close(n);
        return rc;
    }
    *out = n;
    return AS_OK;
}

void as_normalizer_close(as_normalizer *normalizer)
{
    if (!normalizer) return;
    for (size_t i = 0; i < normalizer->count; i++) {
        as_normal_step *step = &normalizer->steps[i];
        if (step->kind->close) step->kind->close(step);
        as_free(step->text);
    }
    as_free(normalizer->steps);
    as_free(normalizer);
}

/* What normalizers may make of a text: far more than any normal form, and an end to rules that put in more
 * than they take out, one after the other. */
static size_t most_bytes(size_t size)
{
    const size_t least = (size_t)64 << 20, growth = 64;
    return size > (SIZE_MAX - least) / growth ? SIZE_MAX : least + growth * size;
}

as_code as_normalizer_run(const as_normalizer *normalizer, as_scratch *scratch, as_stretch *stretch,
                          as_error *err)
{
    const size_t size = stretch->size, most = most_bytes(size);
    scratch->normal[0].max = scratch->normal[1].max = most;
    for (size_t i = 0; i < normalizer->count && stretch->size; i++) {
        const as_normal_step *step = &normalizer->steps[i];
        as_buf *out = &scratch->normal[stretch->text == scratch->normal[0].data];
        as_buf_clear(out);
        as_code rc = step->kind->run(step, scratch, stretch, out, err);
        if (rc == AS_E_LIMIT) {
            return as_fail(err, rc, "normalizer %s makes more than %zu bytes of a text of %zu",
                           step->kind->type, most, size);
        }
        if (rc != AS_OK) return rc;
    }
    return AS_OK;
}

void as_emit_point(as_emitter *e, size_t source, uint32_t point)
{
    char bytes[4];
    as_emit(e, source, bytes, (size_t)as_utf8_put(point, bytes));
}

as_code as_emit_end(as_emitter *e, as_stretch *stretch, as_error *err)
{
    AS_TRY(as_buf_check(e->out, "a text", err));
    *stretch = (as_stretch){as_buf_text(e->out), e->out->size, e->lead_out};
    return AS_OK;
}

/* ---- Replace ---- */

as_code as_pattern_open(const json_t *owner, as_regex **out, as_error *err)
{
    const json_t *pattern = json_object_get(owner, "pattern");
    const json_t *literal = json_object_get(pattern, "String"), *regex = json_object_get(pattern, "Regex");
    const json_t *text = literal ? literal : regex;
    if (!json_is_string(text)) {
        return as_fail(err, AS_E_INPUT, "\"pattern\" is not {\"String\": text} or {\"Regex\": text}");
    }
    return as_regex_open(json_string_value(text), json_string_length(text),
                         literal ? AS_REGEX_LITERAL : AS_REGEX_PATTERN, out, err);
}

static as_code open_replace(as_normal_step *step, const json_t *value, as_error *err)
{
    AS_TRY(as_part_text(value, "content", &step->text, &step->size, err));
    as_regex *regex = NULL;
    AS_TRY(as_pattern_open(value, &regex, err));
    step->data = regex;
    return AS_OK;
}

static void close_replace(as_normal_step *step)
{
    as_regex_close(step->data);
}

static as_code run_replace(const as_normal_step *step, as_scratch *scratch, as_stretch *stretch, as_buf *out,
                           as_error *err)
{
    as_finder finder;
    as_emitter e = {.out = out, .lead_in = stretch->lead};
    size_t done = 0, start, end;
    bool found, any = false;
    AS_TRY(as_finder_start(&finder, step->data, scratch->matcher, stretch->text, stretch->size,
                           &scratch->subjects[0], err));
    for (;;) {
        AS_TRY(as_finder_next(&finder, &found, &start, &end, err));
        if (!found) break;
        any = true;
        for (size_t at = done; at < start; at++) as_emit(&e, at, stretch->text + at, 1);
        /* what is put in counts as coming from the last byte taken out */
        as_emit(&e, end ? end - 1 : 0, step->text, step->size);
        done = end;
    }
    if (!any) return AS_OK;
    for (size_t at = done; at < stretch->size; at++) as_emit(&e, at, stretch->text + at, 1);
    return as_emit_end(&e, stretch, err);
}

const as_normal_kind as_normal_replace = {"Replace",     "pattern content", open_replace,
                                          close_replace, run_replace,       0};
