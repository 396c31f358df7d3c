/* The decoders. As in `tokenizers`, decoders/; each says what it holds back and why. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/text/byte_level.h"
#include "engine/text/decoder.h"
#include "engine/text/normalizer.h"
#include "engine/text/part.h"
#include "engine/text/regex.h"
#include "engine/text/unicode.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* Passes on the valid characters of held and U+FFFD for what can become none; keeps a character that may
 * still be completed, unless this is the end. */
static as_code pass_utf8(as_decode_state *state, const as_decode_run *run, bool end)
{
    as_buf *held = &state->held;
    size_t at = 0, valid = 0;
    while (at < held->size) {
        uint32_t point;
        size_t left = held->size - at;
        int length = as_utf8_next(held->data + at, left, &point);
        if (length > 0) {
            at += (size_t)length;
            continue;
        }
        if (!end && (size_t)-length == left && left < 4 && (unsigned char)held->data[at] >= 0xC2 &&
            (unsigned char)held->data[at] <= 0xF4) {
            break;
        }
        AS_TRY(as_decode_next(run, held->data + valid, at - valid, false));
        AS_TRY(as_decode_next(run, replacement, 3, false));
        at += (size_t)-length;
        valid = at;
    }
    if (at > valid) AS_TRY(as_decode_next(run, held->data + valid, at - valid, false));
    if (at) memmove(held->data, held->data + at, held->size - at);
    held->size -= at;
    return AS_OK;
}

/* ---- ByteLevel: all tokens become one, whose bytes may begin a character in one token and end it in another
 */

static as_code add_byte_level(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                              const char *text, size_t size, bool ends)
{
    (void)step, (void)ends;
    if (!as_byte_level_read(text, size, &state->held)) as_buf_add(&state->held, text, size);
    AS_TRY(as_buf_check(&state->held, "a text", run->err));
    return pass_utf8(state, run, false);
}

static as_code finish_byte_level(const as_decode_step *step, as_decode_state *state, const as_decode_run *run)
{
    (void)step;
    AS_TRY(pass_utf8(state, run, true));
    return as_decode_next(run, "", 0, true);
}

const as_decode_kind as_decode_byte_level = {"ByteLevel", NULL,           true,
                                             NULL,        add_byte_level, finish_byte_level};

/* ---- ByteFallback: "<0x..>" in a row make bytes; a row is text if all of it is, else as many U+FFFD. So a
 * row waits for its end. */

static as_code end_row(as_decode_state *state, const as_decode_run *run)
{
    as_buf *row = &state->held;
    if (row->size == 0) return AS_OK;
    as_code rc = AS_OK;
    if (as_utf8_is_valid(row->data, row->size)) {
        rc = as_decode_next(run, row->data, row->size, true);
    } else {
        for (size_t i = 0; i < row->size && rc == AS_OK; i++) rc = as_decode_next(run, replacement, 3, true);
    }
    as_buf_clear(row);
    return rc;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static as_code add_byte_fallback(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                                 const char *text, size_t size, bool ends)
{
    (void)step, (void)ends;
    if (size == 6 && memcmp(text, "<0x", 3) == 0 && text[5] == '>' && hex(text[4]) >= 0 &&
        (hex(text[3]) >= 0 || text[3] == '+')) { /* Rust reads a sign as well */
        as_buf_char(&state->held, (char)((text[3] == '+' ? 0 : hex(text[3]) << 4) | hex(text[4])));
        return as_buf_check(&state->held, "a text", run->err);
    }
    AS_TRY(end_row(state, run));
    return as_decode_next(run, text, size, true);
}

static as_code finish_byte_fallback(const as_decode_step *step, as_decode_state *state,
                                    const as_decode_run *run)
{
    (void)step;
    return end_row(state, run);
}

const as_decode_kind as_decode_byte_fallback = {"ByteFallback",      NULL, true, NULL, add_byte_fallback,
                                                finish_byte_fallback};

/* ---- Fuse: all tokens become one ---- */

static as_code add_fuse(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                        const char *text, size_t size, bool ends)
{
    (void)step, (void)state, (void)ends;
    return as_decode_next(run, text, size, false);
}

static as_code finish_fuse(const as_decode_step *step, as_decode_state *state, const as_decode_run *run)
{
    (void)step, (void)state;
    return as_decode_next(run, "", 0, true);
}

const as_decode_kind as_decode_fuse = {"Fuse", NULL, false, NULL, add_fuse, finish_fuse};

/* ---- Strip: a character cut off at both ends of each token. What may be the right end waits. ---- */

static as_code open_strip(as_decode_step *step, const json_t *value, as_error *err)
{
    AS_TRY(as_part_char(value, "content", &step->character, err));
    AS_TRY(as_part_count(value, "start", &step->start, err));
    return as_part_count(value, "stop", &step->stop, err);
}

/* count: characters cut off on the left, -1 (as size_t) when the left is done; count2: characters that wait.
 */
static as_code add_strip(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                         const char *text, size_t size, bool ends)
{
    char bytes[4];
    size_t length = (size_t)as_utf8_put(step->character, bytes), at = 0, begin;
    while (state->count < (size_t)step->start && size - at >= length &&
           memcmp(text + at, bytes, length) == 0) {
        state->count++;
        at += length;
    }
    if (at < size) state->count = SIZE_MAX;
    size_t tail = size, waiting = 0; /* how much of the chunk's end waits */
    while (waiting < (size_t)step->stop && tail - at >= length &&
           memcmp(text + tail - length, bytes, length) == 0) {
        waiting++;
        tail -= length;
    }
    begin = at;
    size_t before = state->count2;
    if (tail > begin) { /* a character of another kind: what waited is no end */
        for (; state->count2; state->count2--) AS_TRY(as_decode_next(run, bytes, length, false));
        before = 0;
    }
    for (; before + waiting > (size_t)step->stop; before--) AS_TRY(as_decode_next(run, bytes, length, false));
    state->count2 = before + waiting;
    AS_TRY(as_decode_next(run, text + begin, tail - begin, ends));
    if (ends) state->count = state->count2 = 0;
    return AS_OK;
}

const as_decode_kind as_decode_strip = {"Strip", "content start stop", false, open_strip, add_strip, NULL};

/* ---- Metaspace: the mark becomes a space, and nothing in the first token ---- */

static as_code open_metaspace(as_decode_step *step, const json_t *value, as_error *err)
{
    const char *scheme = "always";
    bool add_space = true;
    AS_TRY(as_part_char(value, "replacement", &step->character, err));
    AS_TRY(as_json_get_string(value, "prepend_scheme", &scheme, err));
    AS_TRY(as_json_get_bool(value, "add_prefix_space", &add_space, err));
    step->drops_first = strcmp(scheme, "never") != 0;
    if (!add_space && step->drops_first) {
        return as_fail(err, AS_E_INPUT, "\"add_prefix_space\" is false and \"prepend_scheme\" is \"%.20s\"",
                       scheme);
    }
    return AS_OK;
}

static as_code add_metaspace(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                             const char *text, size_t size, bool ends)
{
    char mark[4];
    size_t length = (size_t)as_utf8_put(step->character, mark);
    bool drop = state->index == 0 && step->drops_first;
    as_buf_clear(&state->work);
    as_decode_replace(text, size, mark, length, " ", drop ? 0 : 1, &state->work);
    AS_TRY(as_buf_check(&state->work, "a text", run->err));
    if (ends) state->index++;
    return as_decode_next(run, as_buf_text(&state->work), state->work.size, ends);
}

const as_decode_kind as_decode_metaspace = {"Metaspace", NULL, false, open_metaspace, add_metaspace, NULL};

/* ---- WordPiece ---- */

static void clean_up(as_buf *text, as_buf *other, bool with_do_not)
{
    static const char *const pairs[][2] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (pairs[i][0][1] == 'd' && !with_do_not) continue;
        if (!text->size) return;
        as_buf_clear(other);
        as_decode_replace(text->data, text->size, pairs[i][0], strlen(pairs[i][0]), pairs[i][1],
                          strlen(pairs[i][1]), other);
        as_buf swap = *text;
        *text = *other;
        *other = swap;
    }
}

static as_code open_wordpiece(as_decode_step *step, const json_t *value, as_error *err)
{
    AS_TRY(as_part_text(value, "prefix", &step->text, &step->size, err));
    return as_part_bool(value, "cleanup", &step->cleanup, err);
}

static as_code add_wordpiece(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                             const char *text, size_t size, bool ends)
{
    (void)ends;
    as_buf_clear(&state->held);
    if (state->index++) {
        if (size >= step->size && memcmp(text, step->text, step->size) == 0) {
            text += step->size;
            size -= step->size;
        } else {
            as_buf_char(&state->held, ' ');
        }
    }
    as_buf_add(&state->held, text, size);
    if (step->cleanup) clean_up(&state->held, &state->last, true);
    AS_TRY(as_buf_check(&state->held, "a text", run->err));
    return as_decode_next(run, as_buf_text(&state->held), state->held.size, true);
}

const as_decode_kind as_decode_wordpiece = {"WordPiece",    "prefix cleanup", true,
                                            open_wordpiece, add_wordpiece,    NULL};

/* ---- BPEDecoder: the suffix becomes a space, but not in the last token, so one token waits ---- */

static as_code open_bpe(as_decode_step *step, const json_t *value, as_error *err)
{
    return as_part_text(value, "suffix", &step->text, &step->size, err);
}

static as_code pass_last(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                         bool end)
{
    if (!state->any) return AS_OK;
    as_buf_clear(&state->held);
    as_decode_replace(as_buf_text(&state->last), state->last.size, step->text, step->size, " ", end ? 0 : 1,
                      &state->held);
    AS_TRY(as_buf_check(&state->held, "a text", run->err));
    return as_decode_next(run, as_buf_text(&state->held), state->held.size, true);
}

static as_code add_bpe(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                       const char *text, size_t size, bool ends)
{
    (void)ends;
    AS_TRY(pass_last(step, state, run, false));
    as_buf_clear(&state->last);
    as_buf_add(&state->last, text, size);
    state->any = true;
    return as_buf_check(&state->last, "a text", run->err);
}

static as_code finish_bpe(const as_decode_step *step, as_decode_state *state, const as_decode_run *run)
{
    return pass_last(step, state, run, true);
}

const as_decode_kind as_decode_bpe = {"BPEDecoder", "suffix", true, open_bpe, add_bpe, finish_bpe};

/* ---- CTC: a token repeated counts once ---- */

static as_code open_ctc(as_decode_step *step, const json_t *value, as_error *err)
{
    AS_TRY(as_part_text(value, "pad_token", &step->text, &step->size, err));
    AS_TRY(as_part_text(value, "word_delimiter_token", &step->text2, &step->size2, err));
    return as_part_bool(value, "cleanup", &step->cleanup, err);
}

static as_code add_ctc(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                       const char *text, size_t size, bool ends)
{
    (void)ends;
    as_buf *last = &state->last, *held = &state->held;
    if (state->any && last->size == size && memcmp(as_buf_text(last), text, size) == 0) return AS_OK;
    state->any = true;
    as_buf_clear(last);
    as_buf_add(last, text, size);
    as_buf_clear(held);
    as_decode_replace(text, size, step->text, step->size, "", 0, held);
    if (step->cleanup) {
        as_buf other = {0};
        clean_up(held, &other, true);
        as_buf_clear(&other);
        as_decode_replace(as_buf_text(held), held->size, step->text2, step->size2, " ", 1, &other);
        as_buf_free(held);
        *held = other;
    }
    AS_TRY(as_buf_check(last, "a text", run->err));
    AS_TRY(as_buf_check(held, "a text", run->err));
    return held->size ? as_decode_next(run, held->data, held->size, true) : AS_OK;
}

const as_decode_kind as_decode_ctc = {
    "CTC", "pad_token word_delimiter_token cleanup", true, open_ctc, add_ctc, NULL};

/* ---- Replace: whole tokens ---- */

static as_code open_replace(as_decode_step *step, const json_t *value, as_error *err)
{
    AS_TRY(as_part_text(value, "content", &step->text, &step->size, err));
    return as_pattern_open(value, &step->regex, err);
}

static as_code add_replace(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                           const char *text, size_t size, bool ends)
{
    (void)ends;
    as_finder finder;
    size_t done = 0, start, end;
    bool found;
    as_buf_clear(&state->held);
    AS_TRY(as_finder_start(&finder, step->regex, as_decode_matcher(run), text, size, &state->last, run->err));
    while (size) { /* an empty token has no matches, not even empty ones */
        AS_TRY(as_finder_next(&finder, &found, &start, &end, run->err));
        if (!found) break;
        as_buf_add(&state->held, text + done, start - done);
        as_buf_add(&state->held, step->text, step->size);
        done = end;
    }
    as_buf_add(&state->held, text + done, size - done);
    AS_TRY(as_buf_check(&state->held, "a text", run->err));
    return as_decode_next(run, as_buf_text(&state->held), state->held.size, true);
}

const as_decode_kind as_decode_replace_kind = {"Replace",    "pattern content", true,
                                               open_replace, add_replace,       NULL};

/* ---- without a decoder: tokens with spaces between them ---- */

static as_code add_join(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                        const char *text, size_t size, bool ends)
{
    (void)step;
    if (state->index++) AS_TRY(as_decode_next(run, " ", 1, false));
    return as_decode_next(run, text, size, ends);
}

const as_decode_kind as_decode_join = {"join", NULL, true, NULL, add_join, NULL};

/* ---- clean_up_tokenization_spaces of transformers, over the whole text. What has a character of no pattern
 * behind it is certain: no replacement, nor one that another makes possible, reaches across it. ---- */

static as_code pass_clean(as_decode_state *state, const as_decode_run *run, size_t size)
{
    as_buf *held = &state->held;
    if (size == 0) return AS_OK;
    as_buf_clear(&state->work);
    as_buf_add(&state->work, held->data, size);
    clean_up(&state->work, &state->last, false);
    AS_TRY(as_buf_check(&state->work, "a text", run->err));
    memmove(held->data, held->data + size, held->size - size);
    held->size -= size;
    return as_decode_next(run, as_buf_text(&state->work), state->work.size, false);
}

static as_code add_clean(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                         const char *text, size_t size, bool ends)
{
    (void)step, (void)ends;
    as_buf_add(&state->held, text, size);
    AS_TRY(as_buf_check(&state->held, "a text", run->err));
    size_t certain = state->held.size;
    while (certain && strchr(" .?!,'ntmsver", state->held.data[certain - 1])) certain--;
    return pass_clean(state, run, certain);
}

static as_code finish_clean(const as_decode_step *step, as_decode_state *state, const as_decode_run *run)
{
    (void)step;
    return pass_clean(state, run, state->held.size);
}

const as_decode_kind as_decode_clean_spaces = {"clean", NULL, false, NULL, add_clean, finish_clean};
