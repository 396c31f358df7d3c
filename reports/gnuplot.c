/* Plots by gnuplot; see gnuplot.h.
 *
 * Every text of a result stands in single quotes, where gnuplot replaces nothing (no backquotes, no macros,
 * no escapes), with "noenhanced", so that no character is markup. */
#include "reports/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "reports/tree.h"
#include "reports/value.h"

extern char **environ;

enum {
    LINES = AS_PLOT_HUES,
    STEPS = 9,         /* colours of a heat map */
    MOST_DRAWN = 3000, /* points of one line; more are thinned in the drawing, not in the data */
    MOST_LABELS = 150, /* cells of a heat map that show their value */
    MOST_NAMED = 24,   /* categories that are named on an axis */
    MOST_TICK = 16,    /* bytes of a category's name there */
    MOST_KEYS = 10,    /* lines that a key can name */
};

const char as_plot_title_rgb[] = "#010203";

/* One table for the scripts and for the page. */
enum { INK, RULE, GATE, ON_LOW, ON_HIGH, FIRST_LINE, FIRST_STEP = FIRST_LINE + LINES };
const as_plot_color as_plot_colors[] = {
    [INK] = {"#000000", "currentColor"},
    [RULE] = {"#d4d8de", "var(--plot-rule)"},
    [GATE] = {"#b3261e", "var(--plot-gate)"},
    [ON_LOW] = {"#11161d", "var(--plot-on-low)"},
    [ON_HIGH] = {"#fefefe", "var(--plot-on-high)"},
    [FIRST_LINE] = {"#1f5fbf", "var(--plot-1)"},
    {"#b8560b", "var(--plot-2)"},
    {"#2a7a3b", "var(--plot-3)"},
    {"#8a3ea6", "var(--plot-4)"},
    {"#04788a", "var(--plot-5)"},
    {"#96405f", "var(--plot-6)"},
    [FIRST_STEP] = {"#edf2f9", "var(--heat-0)"},
    {"#d6e3f3", "var(--heat-1)"},
    {"#b9d0ea", "var(--heat-2)"},
    {"#97b9df", "var(--heat-3)"},
    {"#729fd2", "var(--heat-4)"},
    {"#4377b5", "var(--heat-5)"},
    {"#336ab0", "var(--heat-6)"},
    {"#1f5197", "var(--heat-7)"},
    {"#123a76", "var(--heat-8)"},
};
const size_t as_plot_color_count = sizeof as_plot_colors / sizeof as_plot_colors[0];

static const char *rgb(size_t color)
{
    return as_plot_colors[color].rgb;
}

static const char *line_rgb(const as_plot_line *line)
{
    return rgb(FIRST_LINE + line->hue % LINES);
}

static void write_number(double x, as_buf *out)
{
    char room[32];
    as_json_format_real(x, room);
    as_buf_str(out, isfinite(x) ? room : "NaN");
}

/* A text in single quotes: one line, quotes doubled. gnuplot escapes what XML requires, but not "]]>". */
static void write_quoted(const char *text, size_t size, size_t most, as_buf *out)
{
    as_buf clean;
    as_buf_init(&clean, 0);
    as_tree_clean(text, size, most, &clean);
    as_buf_char(out, '\'');
    for (size_t i = 0; i < clean.size; i++) {
        char c = clean.data[i];
        if (c == '\'') as_buf_char(out, '\'');
        if (c == '>' && i >= 2 && memcmp(clean.data + i - 2, "]]", 2) == 0) as_buf_char(out, ' ');
        as_buf_char(out, c == '\n' || c == '\t' ? ' ' : c);
    }
    as_buf_char(out, '\'');
    if (clean.failed) out->failed = clean.failed;
    as_buf_free(&clean);
}

static int heat_step(const as_plot *plot, double value)
{
    double place = (value - plot->value.min) / (plot->value.max - plot->value.min);
    int step = (int)(place * STEPS);
    return step < 0 ? 0 : step >= STEPS ? STEPS - 1 : step;
}

/* Cells are rows of: column, row, value, colour, and the value as text twice: for a light and a dark cell. */
static void write_cell(const as_plot *plot, const as_plot_point *cell, as_buf *out)
{
    if (!isfinite(cell->x) || !isfinite(cell->y) || !isfinite(cell->low)) return;
    int step = heat_step(plot, cell->low);
    as_buf_printf(out, "%.0f %.0f ", cell->x, cell->y);
    write_number(cell->low, out);
    as_buf_printf(out, " 0x%s", rgb((size_t)(FIRST_STEP + step)) + 1);
    for (int dark = 0; dark < 2; dark++) {
        as_buf_str(out, " \"");
        if ((step >= STEPS / 2 + 1) == dark) as_value_write_real(cell->low, out);
        as_buf_char(out, '"');
    }
    as_buf_char(out, '\n');
}

static void write_comment(const char *what, const char *text, as_buf *out)
{
    as_buf_printf(out, "# %s", what);
    write_quoted(text, strlen(text), 200, out);
    as_buf_char(out, '\n');
}

void as_gnuplot_write_data(const as_plot *plot, as_buf *out)
{
    write_comment("", plot->title, out);
    as_buf_str(out, plot->kind == AS_PLOT_GRID ? "# column row value colour label label\n"
                                               : "# x y low high; one block a line\n");
    for (size_t l = 0; l < plot->line_count; l++) {
        const as_plot_line *line = &plot->lines[l];
        if (l) as_buf_str(out, "\n\n");
        if (*line->name) write_comment("line ", line->name, out);
        for (size_t i = 0; i < line->count; i++) {
            const as_plot_point *p = &line->points[i];
            if (plot->kind == AS_PLOT_GRID) {
                write_cell(plot, p, out);
                continue;
            }
            const double columns[] = {p->x, p->y, p->low, p->high};
            for (int c = 0; c < 4; c++) {
                if (c) as_buf_char(out, ' ');
                write_number(columns[c], out);
            }
            as_buf_char(out, '\n');
        }
    }
}

static void write_label(const char *command, const as_plot_axis *axis, size_t most, as_buf *out)
{
    as_buf text;
    as_buf_init(&text, 0);
    as_plot_write_label(axis, &text);
    as_buf_printf(out, "set %s ", command);
    write_quoted(as_buf_text(&text), text.size, most, out);
    as_buf_printf(out, " noenhanced textcolor rgb '%s'\n", rgb(INK));
    if (text.failed) out->failed = text.failed;
    as_buf_free(&text);
}

/* Long names under narrow columns would run into one another. */
static bool names_collide(const as_plot_axis *axis, size_t stride)
{
    size_t longest = 0;
    for (size_t i = 0; axis->names && i < axis->tick_count; i += stride) {
        size_t size = strlen(axis->names[i]);
        if (size > longest) longest = size > MOST_TICK ? MOST_TICK : size;
    }
    return (longest + 1) * (axis->tick_count / stride) > 70;
}

static void write_tick_name(const as_plot_axis *axis, size_t at, as_buf *out)
{
    if (axis->names) {
        write_quoted(axis->names[at], strlen(axis->names[at]), MOST_TICK, out);
    } else {
        as_buf_char(out, '\'');
        as_value_write_real(axis->ticks[at], out);
        as_buf_char(out, '\'');
    }
}

/* Where a value stands on its axis, from 0 to 1. */
static double place_of(const as_plot_axis *axis, double value)
{
    if (axis->log) return log(value / axis->min) / log(axis->max / axis->min);
    return (value - axis->min) / (axis->max - axis->min);
}

/* A number whose name would run into that of the one before has a tick alone; so has a fraction on an axis
 * with whole numbers to name. */
static bool is_crowded(const as_plot_axis *axis, size_t at, double before)
{
    enum { ROOM = 52 }; /* letters along the axis, blanks between numbers included */
    as_buf name;
    if (axis->names) return false;
    if (axis->log && !as_plot_is_whole(axis->ticks[at]) &&
        as_plot_is_whole(axis->ticks[axis->tick_count - 1]))
        return true;
    if (!isfinite(before)) return false;
    as_buf_init(&name, 0);
    as_value_write_real(axis->ticks[at], &name);
    double needed = (double)(name.size + 1) / ROOM;
    as_buf_free(&name);
    return place_of(axis, axis->ticks[at]) - before < needed;
}

static void write_ticks(const char *command, const as_plot_axis *axis, as_buf *out)
{
    as_buf_printf(out, "set %s nomirror", command);
    if (!axis->tick_count) {
        as_buf_char(out, '\n');
        return;
    }
    size_t stride = axis->names ? 1 + (axis->tick_count - 1) / MOST_NAMED : 1;
    as_buf_printf(out, " noenhanced%s (",
                  command[0] == 'x' && names_collide(axis, stride) ? " rotate by 40 right" : "");
    double before = -INFINITY; /* where the last name stands */
    for (size_t i = 0; i < axis->tick_count; i += stride) {
        as_buf_str(out, i ? ", " : "");
        if (command[0] == 'x' && is_crowded(axis, i, before)) {
            as_buf_str(out, "''");
        } else {
            write_tick_name(axis, i, out);
            if (!axis->names) before = place_of(axis, axis->ticks[i]);
        }
        as_buf_char(out, ' ');
        write_number(axis->ticks[i], out);
    }
    as_buf_str(out, ")\n");
}

static void write_range(const char *command, const as_plot_axis *axis, as_buf *out)
{
    double min = axis->names ? -0.5 : axis->min;
    double max = axis->names ? (double)axis->tick_count - 0.5 : axis->max;
    as_buf_printf(out, "set %s [", command);
    write_number(min, out);
    as_buf_char(out, ':');
    write_number(max, out);
    as_buf_str(out, "]\n");
}

static void write_head(const as_plot *plot, const char *stem, as_buf *out)
{
    as_buf_printf(out, "# Draws %s.svg from %s.dat: gnuplot %s.gp\n", stem, stem, stem);
    as_buf_str(out, "set encoding utf8\nset datafile missing NaN\nset decimalsign '.'\n");
    as_buf_printf(
        out, "set terminal svg size %d,%d dynamic noenhanced font 'sans-serif,14' background '#ffffff'\n",
        AS_PLOT_WIDTH, AS_PLOT_HEIGHT + AS_PLOT_TITLE);
    as_buf_printf(out, "set output '%s.svg'\n", stem);
    as_buf_str(out, "set title ");
    write_quoted(plot->title, strlen(plot->title), 70, out);
    as_buf_printf(out, " noenhanced textcolor rgb '%s' offset 0,-0.4\n", as_plot_title_rgb);
    as_buf_printf(out, "set tmargin at screen %.4f\n",
                  1 - (AS_PLOT_TITLE + 10.0) / (AS_PLOT_HEIGHT + AS_PLOT_TITLE));
    as_buf_printf(out, "set border %d linecolor rgb '%s'\n", plot->kind == AS_PLOT_GRID ? 0 : 3, rgb(INK));
    as_buf_printf(out, "set tics nomirror scale %s\nset format '%%.7g'\n",
                  plot->kind == AS_PLOT_GRID ? "0" : "0.5");
    write_label("xlabel", &plot->x, 70, out);
    write_label("ylabel", &plot->y, 44, out); /* what the height has room for */
    if (plot->x.log) as_buf_str(out, "set logscale x\n");
    if (plot->y.log) as_buf_str(out, "set logscale y\n");
    write_range("xrange", &plot->x, out);
    write_range("yrange", &plot->y, out);
    write_ticks("xtics", &plot->x, out);
    write_ticks("ytics", &plot->y, out);
}

/* The gate's name stands at its line's right end, under it where there is no room above. */
static void write_gate(const as_plot *plot, as_buf *out)
{
    if (!isfinite(plot->gate) || (plot->y.log && plot->gate <= 0)) return;
    double top = plot->y.log ? log(plot->y.max / plot->gate) / log(plot->y.max / plot->y.min)
                             : (plot->y.max - plot->gate) / (plot->y.max - plot->y.min);
    as_buf text;
    as_buf_init(&text, 0);
    if (*plot->gate_label) {
        as_tree_clean(plot->gate_label, strlen(plot->gate_label), 50, &text);
    } else {
        as_buf_str(&text, "gate ");
        as_value_write_real(plot->gate, &text);
    }
    as_buf_printf(out,
                  "set arrow 1 from graph 0,first %.17g to graph 1,first %.17g nohead dashtype 2 "
                  "linewidth 1.5 linecolor rgb '%s' front\n",
                  plot->gate, plot->gate, rgb(GATE));
    as_buf_str(out, "set label 1 ");
    write_quoted(as_buf_text(&text), text.size, 0, out);
    as_buf_printf(out, " at graph 1,first %.17g right offset -0.3,%s noenhanced textcolor rgb '%s' front\n",
                  plot->gate, top < 0.1 ? "-0.7" : "0.6", rgb(GATE));
    if (text.failed) out->failed = text.failed;
    as_buf_free(&text);
}

static bool is_named(const as_plot *plot)
{
    return plot->line_count > 1 || (plot->line_count == 1 && *plot->lines[0].name);
}

/* A line of zeros has nothing to show on a logarithmic axis, and gnuplot would complain. */
static bool has_points(const as_plot_line *line)
{
    for (size_t i = 0; i < line->count; i++) {
        if (isfinite(line->points[i].x) && isfinite(line->points[i].y)) return true;
    }
    return false;
}

static bool is_last(const as_plot *plot, size_t l)
{
    for (size_t i = l + 1; i < plot->line_count; i++) {
        if (has_points(&plot->lines[i])) return false;
    }
    return true;
}

/* One element of the plot command; `columns` is its using part. */
static void write_element(const char *stem, size_t index, const as_plot_line *line, const char *columns,
                          const char *style, bool titled, bool last, as_buf *out)
{
    as_buf_printf(out, "     '%s.dat' index %zu", stem, index);
    if (line->count > MOST_DRAWN) as_buf_printf(out, " every %zu", line->count / MOST_DRAWN + 1);
    as_buf_printf(out, " using %s with %s", columns, style);
    if (titled) {
        as_buf_str(out, " title ");
        write_quoted(line->name, strlen(line->name), 40, out);
    } else {
        as_buf_str(out, " notitle");
    }
    as_buf_str(out, last ? "\n" : ", \\\n");
}

/* gnuplot's own error bars leave a white disc around each point. */
static const char interval_style[] = "vectors heads size graph 0.008,90 linewidth 1.2 linecolor rgb '%s'";

/* Lines differ by dash and mark too, for those who do not tell the colours apart. */
static void write_curve(const as_plot *plot, const char *stem, size_t l, as_buf *out)
{
    static const int marks[LINES] = {7, 5, 9, 13, 11, 4};
    const as_plot_line *line = &plot->lines[l];
    const char *color = line_rgb(line);
    char style[160];
    if (line->has_band && plot->kind == AS_PLOT_LINE) {
        snprintf(style, sizeof style,
                 "filledcurves fillstyle transparent solid 0.18 noborder linecolor rgb '%s'", color);
        write_element(stem, l, line, "1:3:4", style, false, false, out);
    } else if (line->has_band) {
        snprintf(style, sizeof style, interval_style, color);
        write_element(stem, l, line, "1:3:(0):($4-$3)", style, false, false, out);
    }
    int mark = marks[line->hue % LINES];
    if (plot->kind == AS_PLOT_POINTS) {
        snprintf(style, sizeof style, "points pointsize 0.45 pointtype %d linecolor rgb '%s'", mark, color);
    } else if (line->count <= 40) {
        snprintf(style, sizeof style,
                 "linespoints linewidth 2 dashtype %zu pointsize 0.45 pointtype %d linecolor rgb '%s'",
                 1 + line->hue % 5, mark, color);
    } else {
        snprintf(style, sizeof style, "lines linewidth 2 dashtype %zu linecolor rgb '%s'", 1 + line->hue % 5,
                 color);
    }
    write_element(stem, l, line, "1:2", style, is_named(plot), is_last(plot, l), out);
}

static void write_bars(const as_plot *plot, const char *stem, size_t l, as_buf *out)
{
    const as_plot_line *line = &plot->lines[l];
    double width = 0.8 / (double)plot->line_count;
    double shift = ((double)l - 0.5 * (double)(plot->line_count - 1)) * width;
    char columns[120], style[160];
    snprintf(columns, sizeof columns, "($1+%.6g):2:(%.6g)", shift, width * 0.9);
    snprintf(style, sizeof style, "boxes fillstyle solid 0.75 noborder linecolor rgb '%s'", line_rgb(line));
    bool last = is_last(plot, l) && !line->has_band;
    write_element(stem, l, line, columns, style, is_named(plot), last, out);
    if (!line->has_band) return;
    snprintf(columns, sizeof columns, "($1+%.6g):3:(0):($4-$3)", shift);
    snprintf(style, sizeof style, interval_style, rgb(INK));
    write_element(stem, l, line, columns, style, false, is_last(plot, l), out);
}

static void write_grid(const as_plot *plot, const char *stem, as_buf *out)
{
    bool labelled = plot->drawn <= MOST_LABELS && plot->x.tick_count <= 12;
    const as_plot_line *line = &plot->lines[0];
    char style[160];
    snprintf(style, sizeof style, "boxxyerror fillstyle solid 1 noborder linecolor rgb variable");
    write_element(stem, 0, line, "1:2:(0.47):(0.46):4", style, false, !labelled, out);
    if (!labelled) return;
    snprintf(style, sizeof style, "labels noenhanced textcolor rgb '%s'", rgb(ON_LOW));
    write_element(stem, 0, line, "1:2:5", style, false, false, out);
    snprintf(style, sizeof style, "labels noenhanced textcolor rgb '%s'", rgb(ON_HIGH));
    write_element(stem, 0, line, "1:2:6", style, false, true, out);
}

void as_gnuplot_write_script(const as_plot *plot, const char *stem, as_buf *out)
{
    write_head(plot, stem, out);
    bool grid = plot->kind == AS_PLOT_GRID;
    if (!grid) as_buf_printf(out, "set grid ytics linetype 1 linewidth 0.7 linecolor rgb '%s'\n", rgb(RULE));
    if (!grid) write_gate(plot, out);
    if (is_named(plot) && plot->line_count <= MOST_KEYS && !grid) {
        as_buf_printf(
            out,
            "set key outside below center horizontal height 1 noenhanced samplen 2.5 textcolor rgb '%s'\n",
            rgb(INK));
    } else {
        as_buf_str(out, "unset key\n");
    }
    as_buf_str(out, "plot \\\n");
    for (size_t l = 0; l < plot->line_count; l++) {
        if (grid) {
            write_grid(plot, stem, out);
            break;
        }
        if (!has_points(&plot->lines[l])) continue;
        (plot->kind == AS_PLOT_BARS ? write_bars : write_curve)(plot, stem, l, out);
    }
}

/* Waits for the child, and kills it when the time is over. */
static as_code wait_for(pid_t pid, double timeout_s, int *status, as_error *err)
{
    double until = as_clock_seconds() + timeout_s;
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid) return AS_OK;
        if (got < 0 && errno != EINTR) return as_fail_sys(err, AS_E_IO, "gnuplot");
        if (as_clock_seconds() > until) break;
        as_clock_sleep_until(as_clock_ns() + 5 * 1000 * 1000);
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) continue;
    return as_fail(err, AS_E_TIMEOUT, "gnuplot took more than %.0f s and was stopped", timeout_s);
}

/* What gnuplot printed, in one line; it is silent when all is well. */
static as_code complaint(int log, int status, as_error *err)
{
    char text[400];
    ssize_t size = pread(log, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = 0;
    for (char *c = text; *c; c++) {
        if (*c == '\n' || *c == '\t') *c = ' ';
    }
    size_t lead = strspn(text, " ^");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return AS_OK; /* what it says then is a warning */
    if (WIFSIGNALED(status)) return as_fail(err, AS_E_INTERNAL, "gnuplot: signal %d", WTERMSIG(status));
    return as_fail(err, AS_E_INTERNAL, "gnuplot: status %d: %s", WEXITSTATUS(status), text + lead);
}

static int spawn(const char *dir, const char *script, int log, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc) return rc;
    rc = posix_spawn_file_actions_addchdir_np(&actions, dir);
    if (!rc) rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!rc) rc = posix_spawn_file_actions_adddup2(&actions, log, 1);
    if (!rc) rc = posix_spawn_file_actions_adddup2(&actions, log, 2);
    char *argv[] = {"gnuplot", "--default-settings", (char *)script, NULL};
    if (!rc) rc = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

as_code as_gnuplot_run(const char *dir, const char *script, double timeout_s, as_error *err)
{
    int log = memfd_create("gnuplot", MFD_CLOEXEC);
    if (log < 0) return as_fail_sys(err, AS_E_IO, "gnuplot: a file for its messages");
    pid_t pid;
    int status = 0;
    int rc = spawn(dir, script, log, &pid);
    as_code code;
    if (rc == ENOENT) {
        code = as_fail(err, AS_E_NOT_FOUND, "gnuplot is not on the PATH: install it to see plots");
    } else if (rc) {
        errno = rc;
        code = as_fail_sys(err, AS_E_IO, "gnuplot");
    } else {
        code = wait_for(pid, timeout_s, &status, err);
        if (code == AS_OK) code = complaint(log, status, err);
    }
    close(log);
    return code;
}
