/* Annotations for CI; see annotations.h.
 *
 * A workflow command is a line: text of a result must not be able to end it, nor to begin one. */
#include "reports/annotations.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reports/check_view.h"
#include "reports/view.h"

enum { MOST_LINES = 50 };

/* Escapes as the runner undoes it: in a property also the marks that end one. */
static void write_escaped(const char *text, bool property, as_buf *out)
{
    for (const char *c = text; *c; c++) {
        bool special = *c == '%' || *c == '\n' || *c == '\r' || (property && (*c == ':' || *c == ','));
        if (special) {
            as_buf_printf(out, "%%%02X", (unsigned)*c);
        } else {
            as_buf_char(out, *c);
        }
    }
}

static void write_plain(const char *text, as_buf *out)
{
    for (const char *c = text; *c; c++) as_buf_char(out, *c == '\n' || *c == '\t' ? ' ' : *c);
}

static const char *text_of(const json_t *view, const char *key)
{
    const char *text = json_string_value(json_object_get(view, key));
    return text ? text : "";
}

/* "measured 8.41 tokens/s, expected more than 10 tokens/s, 15.9% below: why" */
static void write_story(const json_t *view, as_buf *out)
{
    if (*text_of(view, "measured")) as_buf_printf(out, "measured %s", text_of(view, "measured"));
    if (*text_of(view, "expected")) {
        as_buf_printf(out, "%sexpected %s", *text_of(view, "measured") ? ", " : "",
                      text_of(view, "expected"));
    }
    if (*text_of(view, "excess")) as_buf_printf(out, ", %s", text_of(view, "excess"));
    if (*text_of(view, "why")) as_buf_printf(out, "%s%s", out->size ? ": " : "", text_of(view, "why"));
}

static const char *command_of(as_verdict verdict, as_inconclusive inconclusive)
{
    bool soft = verdict == AS_WARN || (verdict == AS_INCONCLUSIVE && inconclusive == AS_INCONCLUSIVE_PASSES);
    return soft ? "warning" : "error";
}

static void write_line(as_tree *tree, const json_t *check, as_annotation_form form,
                       as_inconclusive inconclusive, as_buf *out)
{
    as_verdict verdict = as_view_verdict(check);
    json_t *view = as_view_check(tree, check, 0);
    as_buf story;
    as_buf_init(&story, 0);
    write_story(view, &story);
    if (form == AS_ANNOTATE_GITHUB) {
        as_buf_printf(out, "::%s title=", command_of(verdict, inconclusive));
        as_buf_printf(out, "assay %s%%3A ", as_verdict_name(verdict));
        write_escaped(text_of(view, "title"), true, out);
        as_buf_str(out, "::");
        write_escaped(text_of(view, "id"), false, out);
        as_buf_str(out, ": ");
        write_escaped(as_buf_text(&story), false, out);
    } else {
        as_buf_printf(out, "%s: ", as_verdict_name(verdict));
        write_plain(text_of(view, "id"), out);
        as_buf_str(out, ": ");
        write_plain(as_buf_text(&story), out);
    }
    as_buf_char(out, '\n');
    if (story.failed) tree->failed = true;
    as_buf_free(&story);
    json_decref(view);
}

as_annotation_form as_annotations_form(void)
{
    const char *actions = getenv("GITHUB_ACTIONS");
    return actions && strcmp(actions, "true") == 0 ? AS_ANNOTATE_GITHUB : AS_ANNOTATE_PLAIN;
}

as_code as_annotations_write(const json_t *result, as_annotation_form form, as_inconclusive inconclusive,
                             as_buf *out, as_error *err)
{
    as_tree tree = {0};
    size_t count;
    const json_t **problems = as_view_problems(&tree, result, &count);
    for (size_t i = 0; i < count && i < MOST_LINES; i++) {
        write_line(&tree, problems[i], form, inconclusive, out);
    }
    as_free(problems);
    if (count > MOST_LINES) {
        as_buf_printf(out, "%s%zu more checks need attention; the report has them all\n",
                      form == AS_ANNOTATE_GITHUB ? "::warning title=assay::" : "warn: ", count - MOST_LINES);
    }
    AS_TRY(as_tree_check(&tree, "annotations", err));
    return as_buf_check(out, "annotations", err);
}
