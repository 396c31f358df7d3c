/* The summary on a terminal; see text.h.
 *
 * Every line begins with a word of ours or with a mark, never with text of the result: a CI that reads the
 * output for commands must find none. */
#include "reports/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "reports/check_view.h"
#include "reports/compare_view.h"
#include "reports/facts.h"
#include "reports/value.h"
#include "reports/view.h"

enum { MOST_PROBLEMS = 25, INDENT = 16, LEAST_WIDTH = 50, DEFAULT_WIDTH = 100, MOST_WIDTH = 140 };

static const struct {
    const char *word, *color;
} colors[] = {
    {"pass", "32"},    {"skip", "2"},     {"warn", "33"},   {"inconclusive", "35"}, {"fail", "1;31"},
    {"error", "1;31"}, {"worse", "1;31"}, {"better", "32"}, {"same", "2"},
};

as_text_style as_text_style_of(int fd)
{
    as_text_style style = {0};
    struct winsize size;
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR"), *columns = getenv("COLUMNS");
    bool terminal = isatty(fd);
    style.color = terminal && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
    if (terminal && ioctl(fd, TIOCGWINSZ, &size) == 0) style.width = size.ws_col;
    if (!style.width && columns) style.width = atoi(columns);
    return style;
}

typedef struct printer {
    const as_text_style *style;
    as_buf *out;
    int width;
} printer;

/* Lines are put together aside; that memory ran out there must not be lost. */
static void free_line(printer *p, as_buf *line)
{
    if (line->failed) p->out->failed = line->failed;
    as_buf_free(line);
}

static printer make_printer(const as_text_style *style, as_buf *out)
{
    static const as_text_style plain = {0};
    printer p = {style ? style : &plain, out, DEFAULT_WIDTH};
    if (p.style->width > 0) p.width = p.style->width;
    if (p.width < LEAST_WIDTH) p.width = LEAST_WIDTH;
    if (p.width > MOST_WIDTH) p.width = MOST_WIDTH;
    return p;
}

/* A verdict or a change, padded to `width` columns. */
static void put_word(printer *p, const char *word, int width)
{
    const char *color = NULL;
    for (size_t i = 0; p->style->color && i < sizeof colors / sizeof colors[0]; i++) {
        if (strcmp(colors[i].word, word) == 0) color = colors[i].color;
    }
    if (color) as_buf_printf(p->out, "\033[%sm", color);
    as_buf_str(p->out, word);
    if (color) as_buf_str(p->out, "\033[0m");
    as_buf_printf(p->out, "%*s", width > (int)strlen(word) ? width - (int)strlen(word) : 0, "");
}

static int columns_of(const char *text, size_t size)
{
    return (int)as_utf8_length(text, size);
}

/* Words of the text on lines of the printer's width, each behind `indent` columns; the first goes on behind
 * what was printed. Words too long for a line stand alone. */
static void put_wrapped(printer *p, const char *text, int indent)
{
    int column = indent;
    bool first = true;
    while (*text) {
        text += strspn(text, " \n\t");
        size_t size = strcspn(text, " \n\t");
        if (!size) break;
        int wide = columns_of(text, size);
        if (!first && column + 1 + wide > p->width) {
            as_buf_printf(p->out, "\n%*s", indent, "");
            column = indent;
            first = true;
            if (*text == ':' || *text == '#') as_buf_str(p->out, "| ");
        }
        if (!first) as_buf_char(p->out, ' ');
        as_buf_add(p->out, text, size);
        column += wide + !first;
        first = false;
        text += size;
    }
    as_buf_char(p->out, '\n');
}

static const char *text_of(const json_t *view, const char *key)
{
    const char *text = json_string_value(json_object_get(view, key));
    return text ? text : "";
}

/* Indented continuation lines start with a word of ours. */
static void put_story(printer *p, const char *label, const char *text)
{
    if (!*text) return;
    as_buf line;
    as_buf_init(&line, 0);
    as_buf_printf(&line, "%s%s", label, text);
    as_buf_printf(p->out, "%*s", INDENT, "");
    put_wrapped(p, as_buf_text(&line), INDENT);
    free_line(p, &line);
}

static void put_numbers(printer *p, const json_t *view)
{
    as_buf line;
    as_buf_init(&line, 0);
    as_buf_str(&line, text_of(view, "measured"));
    if (*text_of(view, "interval")) as_buf_printf(&line, " (%s)", text_of(view, "interval"));
    if (*text_of(view, "expected")) as_buf_printf(&line, "; expected %s", text_of(view, "expected"));
    if (*text_of(view, "excess")) as_buf_printf(&line, "; %s", text_of(view, "excess"));
    if (line.size) put_story(p, "measured ", as_buf_text(&line));
    free_line(p, &line);
}

static void put_problem(printer *p, as_tree *tree, const json_t *check)
{
    json_t *view = as_view_check(tree, check, 0);
    as_buf title;
    as_buf_init(&title, 0);
    as_buf_printf(&title, "%s: %s", text_of(view, "id"), text_of(view, "title"));
    as_buf_str(p->out, "  ");
    put_word(p, text_of(view, "verdict"), INDENT - 2);
    put_wrapped(p, as_buf_text(&title), INDENT);
    put_numbers(p, view);
    put_story(p, "why: ", text_of(view, "why"));
    free_line(p, &title);
    json_decref(view);
}

static void put_tally(const json_t *suite, as_buf *out)
{
    static const as_verdict order[] = {AS_ERROR, AS_FAIL, AS_INCONCLUSIVE, AS_WARN, AS_PASS, AS_SKIP};
    as_counts counts = as_view_count(suite);
    bool first = true;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (!counts.of[order[i]]) continue;
        as_buf_printf(out, "%s%zu ", first ? "" : ", ", counts.of[order[i]]);
        as_view_count_words(&counts, order[i], out);
        first = false;
    }
    as_buf_str(out, first ? "no checks" : "");
}

static void put_suites(printer *p, as_tree *tree, const json_t *result)
{
    size_t index;
    json_t *suite;
    json_array_foreach(json_object_get(result, "suites"), index, suite)
    {
        json_t *name = as_tree_string(tree, json_object_get(suite, "name"), 40);
        as_buf_str(p->out, "  ");
        put_word(p, as_verdict_name(as_view_verdict(suite)), INDENT - 2);
        as_buf tally;
        as_buf_init(&tally, 0);
        put_tally(suite, &tally);
        as_buf_printf(p->out, "%-10s ", json_string_value(name) ? json_string_value(name) : "");
        put_wrapped(p, as_buf_text(&tally), INDENT + 11);
        free_line(p, &tally);
        json_decref(name);
    }
}

static void put_head(printer *p, as_tree *tree, const json_t *result)
{
    as_buf line;
    as_buf_init(&line, 0);
    json_t *model = as_fact_model(tree, result);
    as_buf_printf(&line, "%s: ", json_string_value(model) ? json_string_value(model) : "");
    as_view_headline(result, &line);
    put_word(p, as_verdict_name(as_view_verdict(result)), 0);
    as_buf_str(p->out, "  ");
    put_wrapped(p, as_buf_text(&line), 6);
    if (as_view_interrupted(result)) as_buf_str(p->out, "The run did not come to its end.\n");
    free_line(p, &line);
    json_decref(model);
}

as_code as_text_summary(const json_t *result, const as_text_style *style, const char *report, as_buf *out,
                        as_error *err)
{
    as_tree tree = {0};
    printer p = make_printer(style, out);
    size_t count;
    put_head(&p, &tree, result);
    const json_t **problems = as_view_problems(&tree, result, &count);
    if (count) as_buf_char(out, '\n');
    for (size_t i = 0; i < count && i < MOST_PROBLEMS; i++) put_problem(&p, &tree, problems[i]);
    if (count > MOST_PROBLEMS) as_buf_printf(out, "  and %zu more\n", count - MOST_PROBLEMS);
    as_free(problems);
    as_buf_char(out, '\n');
    put_suites(&p, &tree, result);
    if (report) as_buf_printf(out, "\nreport: %s\n", report);
    AS_TRY(as_tree_check(&tree, "the summary", err));
    return as_buf_check(out, "the summary", err);
}

/* "only in A: id, id, ... and 12 more" */
static void put_single(printer *p, const json_t *rows, const char *label)
{
    enum { MOST_IDS = 12 };
    size_t index, count = json_array_size(rows);
    json_t *row;
    if (!count) return;
    as_buf line;
    as_buf_init(&line, 0);
    json_array_foreach(rows, index, row)
    {
        if (index < MOST_IDS) as_buf_printf(&line, "%s%s", index ? ", " : "", text_of(row, "id"));
    }
    if (count > MOST_IDS) as_buf_printf(&line, ", and %zu more", count - MOST_IDS);
    put_story(p, label, as_buf_text(&line));
    free_line(p, &line);
}

static void put_change(printer *p, const json_t *row)
{
    as_buf line;
    as_buf_init(&line, 0);
    as_buf_printf(&line, "%s: %s", text_of(row, "id"), text_of(row, "title"));
    as_buf_str(p->out, "  ");
    put_word(p, text_of(row, "change"), INDENT - 2);
    put_wrapped(p, as_buf_text(&line), INDENT);
    put_story(p, "why: ", text_of(row, "why"));
    free_line(p, &line);
}

as_code as_text_compare(const json_t *compare, const as_text_style *style, const char *report, as_buf *out,
                        as_error *err)
{
    static const char *const shown[] = {"worse", "inconclusive", "better"};
    as_tree tree = {0};
    printer p = make_printer(style, out);
    json_t *view = NULL;
    AS_TRY(as_view_compare(compare, NULL, &view, err));
    put_word(&p, text_of(view, "verdict"), 0);
    as_buf_str(out, "  ");
    put_wrapped(&p, text_of(view, "headline"), 6);
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(view, "notes"), index, item)
    {
        put_story(&p, "note: ", json_string_value(item));
    }
    as_buf_char(out, '\n');
    for (size_t s = 0; s < sizeof shown / sizeof shown[0]; s++) {
        json_array_foreach(json_object_get(view, shown[s]), index, item)
        {
            if (index < MOST_PROBLEMS) put_change(&p, item);
        }
    }
    put_single(&p, json_object_get(view, "vanished"), "measured in A only: ");
    put_single(&p, json_object_get(view, "appeared"), "measured in B only: ");
    json_decref(view);
    if (report) as_buf_printf(out, "\nreport: %s\n", report);
    AS_TRY(as_tree_check(&tree, "the summary", err));
    return as_buf_check(out, "the summary", err);
}

as_code as_text_matrix(const json_t *const *results, size_t count, const as_text_style *style, as_buf *out,
                       as_error *err)
{
    as_tree tree = {0};
    printer p = make_printer(style, out);
    for (size_t i = 0; i < count; i++) {
        as_buf line;
        as_buf_init(&line, 0);
        json_t *model = as_fact_model(&tree, results[i]);
        as_buf_printf(&line, "%s: ", json_string_value(model) ? json_string_value(model) : "");
        as_view_headline(results[i], &line);
        put_word(&p, as_verdict_name(as_view_verdict(results[i])), INDENT - 2);
        put_wrapped(&p, as_buf_text(&line), INDENT - 2);
        free_line(&p, &line);
        json_decref(model);
    }
    AS_TRY(as_tree_check(&tree, "the summary", err));
    return as_buf_check(out, "the summary", err);
}
