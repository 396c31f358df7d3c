/* The list of pre-tokenizers and how pieces run through it; see pretokenizer.h. */
#include "engine/text/pretokenizer.h"

#include <string.h>

#include "base/mem.h"
#include "engine/text/part.h"
#include "engine/text/regex.h"

struct as_pretokenizer {
    as_split_step steps[AS_STAGES_MAX];
    int count;
};

static const as_split_kind *const kinds[] = {
    &as_split_byte_level,       &as_split_split,       &as_split_metaspace, &as_split_whitespace,
    &as_split_whitespace_split, &as_split_punctuation, &as_split_digits,    &as_split_delimiter,
    &as_split_scripts,          &as_split_fixed_length};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static as_code push_step(as_pretokenizer *p, const as_split_kind *kind, const json_t *value, as_error *err)
{
    if (p->count == AS_STAGES_MAX) {
        return as_fail(err, AS_E_LIMIT, "more than %d pre-tokenizers", (int)AS_STAGES_MAX);
    }
    as_split_step *step = &p->steps[p->count++];
    *step = (as_split_step){.kind = kind, .behavior = AS_SPLIT_ISOLATED};
    as_code rc = kind->open ? kind->open(step, value, err) : AS_OK;
    return rc == AS_OK ? AS_OK : as_wrap(err, "%s", kind->type);
}

static as_code add_step(void *context, const json_t *value, const char *type, as_error *err)
{
    as_pretokenizer *p = context;
    if (type && strcmp(type, "BertPreTokenizer") == 0) { /* two steps of others */
        AS_TRY(push_step(p, &as_split_whitespace_split, NULL, err));
        return push_step(p, &as_split_punctuation, NULL, err);
    }
    for (int i = 0; i < KINDS && type; i++) {
        if (strcmp(kinds[i]->type, type) == 0) return push_step(p, kinds[i], value, err);
    }
    return as_part_unknown("pre-tokenizer", type, err);
}

as_code as_pretokenizer_open(const json_t *value, as_pretokenizer **out, as_error *err)
{
    as_pretokenizer *p = AS_NEW(as_pretokenizer);
    if (!p) return as_fail_memory(err, "the pre-tokenizers");
    as_code rc = as_part_each(value, "pretokenizers", add_step, p, err);
    if (rc != AS_OK) {
        as_pretokenizer_close(p);
        return rc;
    }
    *out = p;
    return AS_OK;
}

void as_pretokenizer_close(as_pretokenizer *pretokenizer)
{
    if (!pretokenizer) return;
    for (int i = 0; i < pretokenizer->count; i++) as_regex_close(pretokenizer->steps[i].regex);
    as_free(pretokenizer);
}

bool as_pretokenizer_ends_in_bytes(const as_pretokenizer *pretokenizer)
{
    int count = pretokenizer->count;
    return count && pretokenizer->steps[count - 1].kind->ends_in_bytes;
}

bool as_pipe_is_last(const as_pipe *pipe, int at)
{
    return at + 1 == pipe->owner->count;
}

as_code as_pipe_next(const as_pipe *pipe, int at, const as_stretch *piece, as_error *err)
{
    if (piece->size == 0) return AS_OK;
    if (at + 1 == pipe->owner->count) {
        return pipe->args->sink(pipe->args->context, piece->text, piece->size, err);
    }
    const as_split_step *step = &pipe->owner->steps[at + 1];
    return step->kind->run(step, pipe, at + 1, piece, err);
}

as_code as_pretokenizer_run(const as_pretokenizer *pretokenizer, const as_pretokenizer_run_args *args,
                            const as_stretch *stretch, as_error *err)
{
    as_pipe pipe = {pretokenizer, args};
    return as_pipe_next(&pipe, -1, stretch, err);
}

/* ---- splitting ---- */

static as_code cut(as_splitter *s, size_t start, size_t end, as_error *err)
{
    size_t lead = s->in->lead > start ? s->in->lead - start : 0;
    as_stretch piece = {s->in->text + start, end - start, lead < end - start ? lead : end - start};
    return as_pipe_next(s->pipe, s->at, &piece, err);
}

static as_code wait_with(as_splitter *s, size_t start, size_t end, as_error *err)
{
    as_code rc = s->waits ? cut(s, s->start, s->end, err) : AS_OK;
    s->waits = true;
    s->start = start;
    s->end = end;
    return rc;
}

/* Matches and gaps of the same kind in a row become one (contiguous), a match joins what is before it
 * (previous), a gap joins the match before it (next). */
static bool joins(const as_splitter *s, bool match)
{
    switch (s->behavior) {
    case AS_SPLIT_CONTIGUOUS: return match == s->last_match;
    case AS_SPLIT_PREVIOUS: return match && !s->last_match;
    case AS_SPLIT_NEXT: return !match && s->last_match;
    default: return false;
    }
}

as_code as_splitter_add(as_splitter *s, size_t start, size_t end, bool match, as_error *err)
{
    match ^= s->invert;
    if (s->behavior == AS_SPLIT_ISOLATED || (s->behavior == AS_SPLIT_REMOVED && !match)) {
        return cut(s, start, end, err);
    }
    if (s->behavior == AS_SPLIT_REMOVED) return AS_OK;
    bool join = joins(s, match) && s->waits;
    s->last_match = match;
    if (!join) return wait_with(s, start, end, err);
    s->end = end;
    return AS_OK;
}

as_code as_splitter_end(as_splitter *s, as_error *err)
{
    if (!s->waits) return AS_OK;
    s->waits = false;
    return cut(s, s->start, s->end, err);
}

as_code as_split_read_behavior(const json_t *value, as_split_behavior *out, as_error *err)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    const char *name = NULL;
    AS_TRY(as_json_get_string(value, "behavior", &name, err));
    for (int i = 0; name && i < (int)(sizeof names / sizeof names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (as_split_behavior)i;
            return AS_OK;
        }
    }
    return name ? as_fail(err, AS_E_INPUT, "\"behavior\" is \"%.40s\", which is not known", name) : AS_OK;
}
