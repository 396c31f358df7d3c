/* The pre-tokenizers. As in `tokenizers`, pre_tokenizers/. */
#include <string.h>

#include "base/utf8.h"
#include "engine/text/byte_level.h"
#include "engine/text/part.h"
#include "engine/text/pretokenizer.h"
#include "engine/text/regex.h"
#include "engine/text/unicode.h"

/* ---- by regular expression ---- */

static as_code split_by_regex(const as_split_step *step, const as_pipe *pipe, int at, const as_stretch *in,
                              as_error *err)
{
    as_splitter s = {.pipe = pipe, .at = at, .in = in, .behavior = step->behavior, .invert = step->invert};
    as_scratch *scratch = pipe->args->scratch;
    as_finder finder;
    AS_TRY(as_finder_start(&finder, step->regex, scratch->matcher, in->text, in->size, &scratch->subjects[at],
                           err));
    size_t done = 0, start, end;
    for (bool found = true;;) {
        AS_TRY(as_finder_next(&finder, &found, &start, &end, err));
        if (!found) break;
        if (start > done) AS_TRY(as_splitter_add(&s, done, start, false, err));
        AS_TRY(as_splitter_add(&s, start, end, true, err));
        done = end;
    }
    if (done < in->size) AS_TRY(as_splitter_add(&s, done, in->size, false, err));
    return as_splitter_end(&s, err);
}

static as_code open_split(as_split_step *step, const json_t *value, as_error *err)
{
    if (!as_json_has(value, "behavior")) return as_fail(err, AS_E_INPUT, "\"behavior\" is missing");
    AS_TRY(as_split_read_behavior(value, &step->behavior, err));
    AS_TRY(as_part_bool(value, "invert", &step->invert, err));
    return as_pattern_open(value, &step->regex, err);
}

const as_split_kind as_split_split = {"Split", open_split, split_by_regex, false};

/* ---- ByteLevel ---- */

static const char gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static as_code open_byte_level(as_split_step *step, const json_t *value, as_error *err)
{
    bool trim;
    AS_TRY(as_part_bool(value, "add_prefix_space", &step->add_space, err));
    AS_TRY(as_part_bool(value, "trim_offsets", &trim, err)); /* offsets are not kept */
    step->use_regex = true;
    AS_TRY(as_json_get_bool(value, "use_regex", &step->use_regex, err));
    if (!step->use_regex) return AS_OK;
    return as_regex_open(gpt2, sizeof gpt2 - 1, AS_REGEX_PATTERN, &step->regex, err);
}

static as_code hand_on_letters(const as_pipe *pipe, int at, const as_stretch *piece, as_error *err)
{
    if (pipe->args->raw && as_pipe_is_last(pipe, at)) return as_pipe_next(pipe, at, piece, err);
    as_buf *letters = &pipe->args->scratch->letters[at];
    as_buf_clear(letters);
    as_byte_level_write(piece->text, piece->lead, letters);
    size_t lead = letters->size;
    as_byte_level_write(piece->text + piece->lead, piece->size - piece->lead, letters);
    AS_TRY(as_buf_check(letters, "a text", err));
    as_stretch mapped = {as_buf_text(letters), letters->size, lead};
    return as_pipe_next(pipe, at, &mapped, err);
}

static as_code run_byte_level(const as_split_step *step, const as_pipe *pipe, int at, const as_stretch *in,
                              as_error *err)
{
    as_scratch *scratch = pipe->args->scratch;
    as_stretch text = *in;
    if (step->add_space && *in->text != ' ') {
        as_buf *room = &scratch->stages[at];
        as_buf_clear(room);
        as_buf_char(room, ' ');
        as_buf_add(room, in->text, in->size);
        AS_TRY(as_buf_check(room, "a text", err));
        text = (as_stretch){as_buf_text(room), room->size, in->lead ? in->lead + 1 : 0};
    }
    if (!step->regex) return hand_on_letters(pipe, at, &text, err);
    as_finder finder;
    AS_TRY(as_finder_start(&finder, step->regex, scratch->matcher, text.text, text.size,
                           &scratch->subjects[at], err));
    for (;;) { /* the pattern matches at every place: there are no gaps */
        bool found;
        size_t start, end;
        AS_TRY(as_finder_next(&finder, &found, &start, &end, err));
        if (!found) return AS_OK;
        size_t lead = text.lead > start ? text.lead - start : 0;
        as_stretch piece = {text.text + start, end - start, lead < end - start ? lead : end - start};
        AS_TRY(hand_on_letters(pipe, at, &piece, err));
    }
}

const as_split_kind as_split_byte_level = {"ByteLevel", open_byte_level, run_byte_level, true};

/* ---- Metaspace ---- */

static as_code open_metaspace(as_split_step *step, const json_t *value, as_error *err)
{
    static const char *const names[] = {"first", "never", "always"};
    const char *scheme = "always";
    bool add_space = true;
    step->split = true;
    AS_TRY(as_part_char(value, "replacement", &step->character, err));
    AS_TRY(as_json_get_string(value, "prepend_scheme", &scheme, err));
    AS_TRY(as_json_get_bool(value, "add_prefix_space", &add_space, err));
    AS_TRY(as_json_get_bool(value, "split", &step->split, err));
    int i = 0;
    while (i < 3 && strcmp(names[i], scheme) != 0) i++;
    if (i == 3)
        return as_fail(err, AS_E_INPUT, "\"prepend_scheme\" is \"%.40s\", which is not known", scheme);
    step->scheme = (as_prepend_scheme)i;
    if (!add_space && step->scheme != AS_PREPEND_NEVER) {
        return as_fail(err, AS_E_INPUT, "\"add_prefix_space\" is false and \"prepend_scheme\" is \"%s\"",
                       scheme);
    }
    return AS_OK;
}

/* The text with its spaces replaced and one put in front where the scheme asks for it. */
static as_code mark_spaces(const as_split_step *step, const as_stretch *in, const char *mark,
                           size_t mark_size, as_buf *room, as_stretch *out, as_error *err)
{
    as_buf_clear(room);
    bool begins = *in->text == ' ' || (in->size >= mark_size && memcmp(in->text, mark, mark_size) == 0);
    bool prepend =
        !begins && (step->scheme == AS_PREPEND_ALWAYS || (step->scheme == AS_PREPEND_FIRST && in->lead));
    size_t lead = in->lead;
    if (prepend) {
        as_buf_add(room, mark, mark_size);
        if (lead) lead += mark_size;
    }
    for (size_t i = 0; i < in->lead; i++) {
        if (in->text[i] == ' ') lead += mark_size - 1;
    }
    for (size_t at = 0; at < in->size;) {
        const char *space = memchr(in->text + at, ' ', in->size - at);
        size_t end = space ? (size_t)(space - in->text) : in->size;
        as_buf_add(room, in->text + at, end - at);
        if (space) as_buf_add(room, mark, mark_size);
        at = end + 1;
    }
    AS_TRY(as_buf_check(room, "a text", err));
    *out = (as_stretch){as_buf_text(room), room->size, lead};
    return AS_OK;
}

static as_code run_metaspace(const as_split_step *step, const as_pipe *pipe, int at, const as_stretch *in,
                             as_error *err)
{
    char mark[4];
    size_t mark_size = (size_t)as_utf8_put(step->character, mark);
    as_stretch text;
    AS_TRY(mark_spaces(step, in, mark, mark_size, &pipe->args->scratch->stages[at], &text, err));
    if (!step->split) return as_pipe_next(pipe, at, &text, err);
    as_splitter s = {.pipe = pipe, .at = at, .in = &text, .behavior = AS_SPLIT_NEXT};
    size_t done = 0;
    while (done < text.size) {
        const char *hit = memmem(text.text + done, text.size - done, mark, mark_size);
        size_t start = hit ? (size_t)(hit - text.text) : text.size;
        if (start > done) AS_TRY(as_splitter_add(&s, done, start, false, err));
        if (hit) AS_TRY(as_splitter_add(&s, start, start + mark_size, true, err));
        done = start + (hit ? mark_size : 0);
    }
    return as_splitter_end(&s, err);
}

const as_split_kind as_split_metaspace = {"Metaspace", open_metaspace, run_metaspace, false};

/* ---- by kind of character ---- */

typedef bool is_delimiter(const as_split_step *step, uint32_t point);

static as_code split_by_char(const as_split_step *step, const as_pipe *pipe, int at, const as_stretch *in,
                             is_delimiter *is, as_split_behavior behavior, as_error *err)
{
    as_splitter s = {.pipe = pipe, .at = at, .in = in, .behavior = behavior};
    size_t done = 0;
    for (size_t i = 0; i < in->size;) {
        int length;
        uint32_t point = as_unicode_read(in->text + i, &length);
        size_t end = i + (size_t)length;
        if (is(step, point)) {
            if (i > done) AS_TRY(as_splitter_add(&s, done, i, false, err));
            AS_TRY(as_splitter_add(&s, i, end, true, err));
            done = end;
        }
        i = end;
    }
    if (done < in->size) AS_TRY(as_splitter_add(&s, done, in->size, false, err));
    return as_splitter_end(&s, err);
}

static bool is_space(const as_split_step *step, uint32_t point)
{
    (void)step;
    return as_unicode_is(point, AS_U_SPACE);
}

static as_code run_whitespace_split(const as_split_step *step, const as_pipe *pipe, int at,
                                    const as_stretch *in, as_error *err)
{
    return split_by_char(step, pipe, at, in, is_space, AS_SPLIT_REMOVED, err);
}

const as_split_kind as_split_whitespace_split = {"WhitespaceSplit", NULL, run_whitespace_split, false};

static bool is_punctuation(const as_split_step *step, uint32_t point)
{
    (void)step;
    return as_unicode_is(point, AS_U_PUNCT);
}

static as_code open_punctuation(as_split_step *step, const json_t *value, as_error *err)
{
    return as_split_read_behavior(value, &step->behavior, err); /* isolated where it is not said */
}

static as_code run_punctuation(const as_split_step *step, const as_pipe *pipe, int at, const as_stretch *in,
                               as_error *err)
{
    return split_by_char(step, pipe, at, in, is_punctuation, step->behavior, err);
}

const as_split_kind as_split_punctuation = {"Punctuation", open_punctuation, run_punctuation, false};

static bool is_numeric(const as_split_step *step, uint32_t point)
{
    (void)step;
    return as_unicode_is(point, AS_U_NUMERIC);
}

static as_code open_digits(as_split_step *step, const json_t *value, as_error *err)
{
    return as_part_bool(value, "individual_digits", &step->individual, err);
}

static as_code run_digits(const as_split_step *step, const as_pipe *pipe, int at, const as_stretch *in,
                          as_error *err)
{
    as_split_behavior behavior = step->individual ? AS_SPLIT_ISOLATED : AS_SPLIT_CONTIGUOUS;
    return split_by_char(step, pipe, at, in, is_numeric, behavior, err);
}

const as_split_kind as_split_digits = {"Digits", open_digits, run_digits, false};

static bool is_the_character(const as_split_step *step, uint32_t point)
{
    return point == step->character;
}

static as_code open_delimiter(as_split_step *step, const json_t *value, as_error *err)
{
    return as_part_char(value, "delimiter", &step->character, err);
}

static as_code run_delimiter(const as_split_step *step, const as_pipe *pipe, int at, const as_stretch *in,
                             as_error *err)
{
    return split_by_char(step, pipe, at, in, is_the_character, AS_SPLIT_REMOVED, err);
}

const as_split_kind as_split_delimiter = {"CharDelimiterSplit", open_delimiter, run_delimiter, false};

/* ---- Whitespace: runs of \w and runs of what is neither \w nor \s ---- */

static as_code run_whitespace(const as_split_step *step, const as_pipe *pipe, int at, const as_stretch *in,
                              as_error *err)
{
    (void)step;
    as_splitter s = {.pipe = pipe, .at = at, .in = in, .behavior = AS_SPLIT_REMOVED};
    for (size_t i = 0; i < in->size;) {
        size_t start = i;
        uint32_t kind = 0;
        while (i < in->size) {
            int length;
            uint32_t class = as_unicode_class(as_unicode_read(in->text + i, &length));
            uint32_t here = class & AS_U_WORD ? AS_U_WORD : class & AS_U_SPACE;
            if (i > start && here != kind) break;
            kind = here;
            i += (size_t)length;
        }
        AS_TRY(as_splitter_add(&s, start, i, kind == AS_U_SPACE, err));
    }
    return as_splitter_end(&s, err);
}

const as_split_kind as_split_whitespace = {"Whitespace", NULL, run_whitespace, false};

/* ---- UnicodeScripts ---- */

/* A piece begins where the script changes. Characters of any script before the first of a certain one are
 * lost: so they are in the library. */
static as_code run_scripts(const as_split_step *step, const as_pipe *pipe, int at, const as_stretch *in,
                           as_error *err)
{
    (void)step;
    as_splitter s = {.pipe = pipe, .at = at, .in = in, .behavior = AS_SPLIT_ISOLATED};
    int last = 0;
    bool begun = false;
    size_t start = 0;
    for (size_t i = 0; i < in->size;) {
        int length;
        int script = as_unicode_script(as_unicode_read(in->text + i, &length));
        if (script != 0 && script != last) {
            if (begun) AS_TRY(as_splitter_add(&s, start, i, true, err));
            begun = true;
            start = i;
            last = script;
        }
        i += (size_t)length;
    }
    if (begun) AS_TRY(as_splitter_add(&s, start, in->size, true, err));
    return as_splitter_end(&s, err);
}

const as_split_kind as_split_scripts = {"UnicodeScripts", NULL, run_scripts, false};

/* ---- FixedLength ---- */

static as_code open_fixed_length(as_split_step *step, const json_t *value, as_error *err)
{
    step->length = 5;
    if (as_json_has(value, "length")) AS_TRY(as_part_count(value, "length", &step->length, err));
    return step->length ? AS_OK : as_fail(err, AS_E_INPUT, "\"length\" is 0");
}

static as_code run_fixed_length(const as_split_step *step, const as_pipe *pipe, int at, const as_stretch *in,
                                as_error *err)
{
    as_splitter s = {.pipe = pipe, .at = at, .in = in, .behavior = AS_SPLIT_ISOLATED};
    for (size_t i = 0; i < in->size;) {
        size_t start = i;
        for (int64_t n = 0; n < step->length && i < in->size; n++)
            i += (size_t)as_unicode_length(in->text + i);
        AS_TRY(as_splitter_add(&s, start, i, true, err));
    }
    return as_splitter_end(&s, err);
}

const as_split_kind as_split_fixed_length = {"FixedLength", open_fixed_length, run_fixed_length, false};
