/* Pages from templates; see html.h. */
#include "reports/html.h"

#include <string.h>

#include "base/embed.h"
#include "base/file.h"
#include "base/jinja/jinja.h"

extern const as_embedded as_report_templates[];

enum { MOST_TEMPLATES = 16 };

typedef struct library {
    as_jinja_template *templates[MOST_TEMPLATES]; /* in the order of as_report_templates */
} library;

static const as_jinja_template *find(void *context, const char *name)
{
    const library *made = context;
    for (size_t i = 0; i < MOST_TEMPLATES && as_report_templates[i].name; i++) {
        if (strcmp(as_report_templates[i].name, name) == 0) return made->templates[i];
    }
    return NULL;
}

static as_code compile_all(library *made, as_error *err)
{
    const as_jinja_syntax syntax = {.dialect = AS_JINJA_HTML};
    for (size_t i = 0; as_report_templates[i].name; i++) {
        AS_BUG(i == MOST_TEMPLATES);
        const as_embedded *file = &as_report_templates[i];
        AS_TRY(as_jinja_compile((const char *)file->data, file->size, file->name, &syntax,
                                &made->templates[i], err));
    }
    return AS_OK;
}

as_code as_html_render(const char *name, const json_t *view, as_buf *out, as_error *err)
{
    library made = {{NULL}};
    as_code rc = compile_all(&made, err);
    if (rc == AS_OK) {
        /* The templates are ours; only the size of a result bounds them. */
        const as_jinja_options options = {.find = find,
                                          .find_context = &made,
                                          .max_output = (size_t)1 << 30,
                                          .max_memory = (size_t)4 << 30,
                                          .max_steps = (uint64_t)1 << 36};
        const as_jinja_template *wanted = find(&made, name);
        AS_BUG(!wanted);
        rc = as_jinja_render(wanted, view, &options, out, NULL, err);
    }
    for (size_t i = 0; i < MOST_TEMPLATES; i++) as_jinja_free(made.templates[i]);
    return rc;
}

as_code as_html_write(const char *name, const json_t *view, const char *dir, const char *file, as_error *err)
{
    char path[AS_PATH_MAX];
    AS_TRY(as_path_join(path, dir, file, err));
    as_buf text;
    as_buf_init(&text, 0);
    as_code rc = as_html_render(name, view, &text, err);
    as_buf_char(&text, '\n'); /* a template's last newline is not rendered */
    if (rc == AS_OK) rc = as_buf_check(&text, file, err);
    if (rc == AS_OK) rc = as_file_write(path, as_buf_text(&text), text.size, err);
    as_buf_free(&text);
    return rc;
}
