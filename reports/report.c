/* Every rendering of a result; see report.h. */
#include "reports/report.h"

#include "base/file.h"
#include "reports/html.h"
#include "reports/junit.h"
#include "reports/plots.h"
#include "reports/view.h"

typedef struct job {
    const json_t *result;
    const char *dir;
    const as_report_options *options;
} job;

static as_code make_plots(const job *j, json_t **plots, as_error *err)
{
    char dir[AS_PATH_MAX];
    AS_TRY(as_path_join(dir, j->dir, "plots", err));
    return as_plots_make(j->result, dir, plots, err);
}

static as_code write_html(const job *j, as_error *err)
{
    json_t *plots = NULL, *view = NULL;
    as_code rc = make_plots(j, &plots, err);
    if (rc == AS_OK) rc = as_view_result(j->result, plots, &view, err);
    if (rc == AS_OK) rc = as_html_write("report.html", view, j->dir, "report.html", err);
    json_decref(view);
    json_decref(plots);
    return rc;
}

static as_code write_junit(const job *j, as_error *err)
{
    json_t *view = NULL;
    as_code rc = as_junit_view(j->result, j->options->inconclusive, &view, err);
    if (rc == AS_OK) rc = as_html_write("junit.xml", view, j->dir, "junit.xml", err);
    json_decref(view);
    return rc;
}

static as_code write_plots(const job *j, as_error *err)
{
    json_t *plots = NULL;
    if (j->options->formats & AS_REPORT_HTML) return AS_OK; /* done with the page */
    as_code rc = make_plots(j, &plots, err);
    json_decref(plots);
    return rc;
}

static const struct {
    as_report_format format;
    const char *name;
    as_code (*write)(const job *j, as_error *err);
} writers[] = {
    {AS_REPORT_HTML, "report.html", write_html},
    {AS_REPORT_JUNIT, "junit.xml", write_junit},
    {AS_REPORT_PLOTS, "plots", write_plots},
};

as_code as_report_write(const json_t *result, const char *dir, const as_report_options *options,
                        as_error *err)
{
    as_report_options chosen = options ? *options : (as_report_options){0};
    if (!chosen.formats) chosen.formats = AS_REPORT_ALL;
    const job j = {result, dir, &chosen};
    AS_TRY(as_dir_make(dir, err));
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
        if (!(chosen.formats & writers[i].format)) continue;
        if (writers[i].write(&j, err) != AS_OK) return as_wrap(err, "%s", writers[i].name);
    }
    return AS_OK;
}
