/* Drawings inside a page; see svg.h. */
#include "reports/svg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/gnuplot.h"

/* What gnuplot's drawings are made of. Anything else is left out with all it holds. */
static const char *const elements[] = {"g",    "path", "text",    "tspan", "use",
                                       "defs", "rect", "polygon", "line",  "circle"};
static const char *const attributes[] = {
    "d",
    "x",
    "y",
    "width",
    "height",
    "cx",
    "cy",
    "r",
    "x1",
    "x2",
    "y1",
    "y2",
    "points",
    "fill",
    "transform",
    "fill-opacity",
    "stroke-opacity",
    "opacity",
    "color",
    "stroke",
    "text-anchor",
    "stroke-width",
    "stroke-linecap",
    "stroke-linejoin",
    "font-weight",
    "id",
    "font-size",
    "font-style",
    "xlink:href",
    "stroke-dasharray",
};

enum { MAX_DEPTH = 64, MAX_ATTRIBUTES = 32 };

typedef struct span {
    const char *at;
    size_t size;
} span;

typedef struct attribute {
    span name, value;
} attribute;

typedef struct reader {
    const char *at, *end;
    const char *prefix;
    as_buf *out;
    span open[MAX_DEPTH];
    int depth;
    int skipping; /* depth of the element that is left out, or 0 */
} reader;

static bool is_one_of(span name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(list[i]) == name.size && memcmp(list[i], name.at, name.size) == 0) return true;
    }
    return false;
}

static bool span_is(span s, const char *text)
{
    return is_one_of(s, &text, 1);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' ||
           c == '-' || c == '_' || c == '.';
}

static void skip_space(reader *r)
{
    while (r->at < r->end && is_space(*r->at)) r->at++;
}

static span read_name(reader *r)
{
    span name = {r->at, 0};
    while (r->at < r->end && is_name(*r->at)) r->at++;
    name.size = (size_t)(r->at - name.at);
    return name;
}

/* Moves behind `mark`; false when it does not come. */
static bool skip_past(reader *r, const char *mark)
{
    const char *found = memmem(r->at, (size_t)(r->end - r->at), mark, strlen(mark));
    if (!found) return false;
    r->at = found + strlen(mark);
    return true;
}

/* An entity that XML itself defines stays; any other ampersand is text. */
static size_t entity_size(const char *at, const char *end)
{
    static const char *const known[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&apos;"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t size = strlen(known[i]);
        if ((size_t)(end - at) >= size && memcmp(at, known[i], size) == 0) return size;
    }
    return 0;
}

static void put_text(reader *r, span text)
{
    for (const char *c = text.at, *end = c + text.size; c < end; c++) {
        size_t entity = *c == '&' ? entity_size(c, end) : 0;
        if (entity) {
            as_buf_add(r->out, c, entity);
            c += entity - 1;
        } else if (*c == '&') {
            as_buf_str(r->out, "&amp;");
        } else if (*c == '<') {
            as_buf_str(r->out, "&lt;");
        } else if (*c == '>') {
            as_buf_str(r->out, "&gt;");
        } else if (*c == '"') {
            as_buf_str(r->out, "&quot;");
        } else {
            as_buf_char(r->out, *c);
        }
    }
}

/* A colour as gnuplot writes it: "black", "rgb( 31,  95, 191)", "rgb(1,2,3)" or "#1F5FBF"; -1 for another. */
static long color_of(span value)
{
    char text[40];
    unsigned r, g, b;
    int end = 0;
    if (value.size >= sizeof text) return -1;
    memcpy(text, value.at, value.size);
    text[value.size] = 0;
    if (strcmp(text, "black") == 0) return 0;
    if (sscanf(text, "rgb(%3u ,%3u ,%3u )%n", &r, &g, &b, &end) == 3 && end && !text[end] &&
        (r | g | b) < 256) {
        return (long)(r << 16 | g << 8 | b);
    }
    if (text[0] != '#' || value.size != 7) return -1;
    char *rest;
    long rgb = strtol(text + 1, &rest, 16);
    return *rest ? -1 : rgb;
}

/* The page's colour for one of the script's; NULL for any other. */
static const as_plot_color *find_color(span value)
{
    long rgb = color_of(value);
    for (size_t i = 0; rgb >= 0 && i < as_plot_color_count; i++) {
        if (strtol(as_plot_colors[i].rgb + 1, NULL, 16) == rgb) return &as_plot_colors[i];
    }
    return NULL;
}

static bool is_paint(span name)
{
    return span_is(name, "fill") || span_is(name, "stroke") || span_is(name, "color");
}

static void put_value(reader *r, const attribute *a)
{
    if (is_paint(a->name)) {
        const as_plot_color *color = find_color(a->value);
        if (color) {
            as_buf_str(r->out, color->variable);
            return;
        }
    }
    span rest = a->value;
    if (span_is(a->name, "id")) {
        as_buf_str(r->out, r->prefix);
    } else if (span_is(a->name, "xlink:href")) {
        as_buf_char(r->out, '#');
        as_buf_str(r->out, r->prefix);
        rest = (span){rest.at + 1, rest.size - 1};
    }
    put_text(r, rest);
}

/* A reference may only point into the drawing itself; nothing that a value can call is let through. */
static bool is_harmless(const attribute *a)
{
    if (!is_one_of(a->name, attributes, sizeof attributes / sizeof attributes[0])) return false;
    if (span_is(a->name, "xlink:href")) return a->value.size > 1 && a->value.at[0] == '#';
    return !memmem(a->value.at, a->value.size, "url", 3) && !memmem(a->value.at, a->value.size, "&", 1);
}

static bool read_attribute(reader *r, attribute *a)
{
    a->name = read_name(r);
    skip_space(r);
    if (!a->name.size || r->at == r->end || *r->at != '=') return false;
    r->at++;
    skip_space(r);
    if (r->at == r->end || (*r->at != '"' && *r->at != '\'')) return false;
    char quote = *r->at++;
    a->value.at = r->at;
    const char *close = memchr(r->at, quote, (size_t)(r->end - r->at));
    if (!close) return false;
    a->value.size = (size_t)(close - r->at);
    r->at = close + 1;
    return true;
}

/* gnuplot's title is told by its colour; the page has its own. */
static bool is_left_out(span name, const attribute *list, size_t count)
{
    long title = strtol(as_plot_title_rgb + 1, NULL, 16);
    for (size_t i = 0; i < count; i++) {
        if (is_paint(list[i].name) && color_of(list[i].value) == title) return true;
    }
    return !is_one_of(name, elements, sizeof elements / sizeof elements[0]);
}

static void put_tag(reader *r, span name, const attribute *list, size_t count, bool empty)
{
    as_buf_char(r->out, '<');
    as_buf_add(r->out, name.at, name.size);
    for (size_t i = 0; i < count; i++) {
        if (!is_harmless(&list[i])) continue;
        as_buf_char(r->out, ' ');
        as_buf_add(r->out, list[i].name.at, list[i].name.size);
        as_buf_str(r->out, "=\"");
        put_value(r, &list[i]);
        as_buf_char(r->out, '"');
    }
    as_buf_str(r->out, empty ? "/>" : ">");
}

/* The sheet that gnuplot lays under its drawing; the page has its own ground. */
static bool is_paper(span name, const attribute *list, size_t count)
{
    if (!span_is(name, "rect")) return false;
    bool at_origin = false, full = false;
    char width[16];
    snprintf(width, sizeof width, "%d", AS_PLOT_WIDTH);
    for (size_t i = 0; i < count; i++) {
        at_origin = at_origin || (span_is(list[i].name, "x") && span_is(list[i].value, "0"));
        full = full || (span_is(list[i].name, "width") && span_is(list[i].value, width));
    }
    return at_origin && full;
}

static bool read_open_tag(reader *r)
{
    attribute list[MAX_ATTRIBUTES];
    size_t count = 0;
    span name = read_name(r);
    if (!name.size || r->depth == MAX_DEPTH) return false;
    for (skip_space(r); r->at < r->end && *r->at != '>' && *r->at != '/'; skip_space(r)) {
        if (count == MAX_ATTRIBUTES || !read_attribute(r, &list[count++])) return false;
    }
    bool empty = r->at < r->end && *r->at == '/';
    if (empty) r->at++;
    if (r->at == r->end || *r->at != '>') return false;
    r->at++;
    bool frame = span_is(name, "svg") || (empty && is_paper(name, list, count));
    bool skipped = r->skipping || (!frame && is_left_out(name, list, count));
    if (!frame && !skipped) put_tag(r, name, list, count, empty);
    if (empty) return true;
    r->open[r->depth++] = name;
    if (skipped && !r->skipping) r->skipping = r->depth;
    return true;
}

static bool read_close_tag(reader *r)
{
    span name = read_name(r);
    skip_space(r);
    if (!r->depth || r->at == r->end || *r->at != '>') return false;
    r->at++;
    span opened = r->open[r->depth - 1];
    if (opened.size != name.size || memcmp(opened.at, name.at, name.size) != 0) return false;
    if (!r->skipping && !span_is(name, "svg")) {
        as_buf_str(r->out, "</");
        as_buf_add(r->out, name.at, name.size);
        as_buf_char(r->out, '>');
    }
    if (r->skipping == r->depth) r->skipping = 0;
    r->depth--;
    return true;
}

static void read_text(reader *r)
{
    const char *next = memchr(r->at, '<', (size_t)(r->end - r->at));
    span text = {r->at, (size_t)((next ? next : r->end) - r->at)};
    bool in_text = r->depth && span_is(r->open[r->depth - 1], "text");
    in_text = in_text || (r->depth && span_is(r->open[r->depth - 1], "tspan"));
    if (!r->skipping && in_text) put_text(r, text);
    r->at = text.at + text.size;
}

static bool read_markup(reader *r)
{
    size_t left = (size_t)(r->end - r->at);
    if (left >= 4 && memcmp(r->at, "<!--", 4) == 0) return skip_past(r, "-->");
    if (left >= 2 && r->at[1] == '?') return skip_past(r, "?>");
    if (left >= 2 && r->at[1] == '!') return skip_past(r, ">");
    bool closing = left >= 2 && r->at[1] == '/';
    r->at += closing ? 2 : 1;
    return closing ? read_close_tag(r) : read_open_tag(r);
}

as_code as_svg_inline(const char *svg, size_t size, const char *prefix, as_buf *out, as_error *err)
{
    as_buf body;
    as_buf_init(&body, 0);
    reader r = {.at = svg, .end = svg + size, .prefix = prefix, .out = &body};
    bool well_formed = true;
    while (well_formed && r.at < r.end) {
        if (*r.at == '<') {
            well_formed = read_markup(&r);
        } else {
            read_text(&r);
        }
    }
    as_code rc = as_buf_check(&body, "a drawing", err);
    if (rc == AS_OK && (!well_formed || r.depth)) {
        rc = as_fail(err, AS_E_INPUT, "the drawing is not well formed near byte %zu", (size_t)(r.at - svg));
    }
    if (rc == AS_OK) as_buf_add(out, as_buf_text(&body), body.size);
    as_buf_free(&body);
    return rc;
}
