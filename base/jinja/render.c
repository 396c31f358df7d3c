/* Compiling and rendering: the public functions; see jinja.h. */
#include <string.h>

#include "base/jinja/run.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { MAX_TEMPLATE = 4 << 20, COMPILE_MEMORY = 256 << 20, COMPILE_STEPS = 20000000 };

static const as_jinja_options no_options;

/* --- compiling --- */

static as_code finish(as_error *err, const as_jinja_vm *vm)
{
    if (err) *err = vm->error;
    return vm->error.code;
}

static as_code check_source(const char *text, size_t size, const char *name, as_error *err)
{
    if (size > MAX_TEMPLATE) {
        return as_fail(err, AS_E_LIMIT, "%s: %zu bytes, at most %d are allowed", name, size, MAX_TEMPLATE);
    }
    size_t valid = as_utf8_valid_prefix(text, size);
    if (valid != size) return as_fail(err, AS_E_INPUT, "%s: not UTF-8 at byte %zu", name, valid);
    return AS_OK;
}

as_code as_jinja_compile(const char *text, size_t size, const char *name, const as_jinja_syntax *syntax,
                         as_jinja_template **out, as_error *err)
{
    AS_TRY(check_source(text, size, name, err));
    as_jinja_template *template = AS_NEW(as_jinja_template);
    if (!template) return as_fail_memory(err, name);
    as_arena_init(&template->arena, COMPILE_MEMORY);
    if (syntax) template->syntax = *syntax;
    as_jinja_vm vm = {.arena = &template->arena,
                      .max_depth = 1000,
                      .max_steps = COMPILE_STEPS,
                      .line = 1,
                      .template = template,
                      .options = &no_options};
    as_buf_init(&vm.out, (size_t)MAX_TEMPLATE * 2);
    as_jinja_tokens tokens = {0};
    template->name = as_arena_strdup(&template->arena, name);
    bool ok = template->name && as_jinja_lex(&vm, text, size, &template->syntax, &tokens) &&
              as_jinja_parse(&vm, &tokens, &template->body) && as_jinja_resolve(&vm, template);
    as_buf_free(&vm.out);
    if (ok) {
        *out = template;
        return AS_OK;
    }
    as_code rc = template->name ? finish(err, &vm) : as_fail_memory(err, name);
    as_jinja_free(template);
    return rc;
}

void as_jinja_free(as_jinja_template *template)
{
    if (!template) return;
    as_arena_free(&template->arena);
    as_free(template);
}

/* --- rendering --- */

static bool make_globals(as_jinja_vm *vm, as_jinja_dict **out)
{
    AS_JINJA_TRY(as_jinja_dict_new(vm, out));
    for (const as_jinja_builtin *g = as_jinja_globals; g->name; g++) {
        as_jinja_value v;
        AS_JINJA_TRY(as_jinja_bind_method(vm, g, as_jinja_none(), &v) &&
                     as_jinja_dict_set_text(vm, *out, g->name, v));
    }
    return as_jinja_dict_set_text(vm, *out, "dict", (as_jinja_value){.kind = AS_JINJA_DICTTYPE});
}

static bool run(as_jinja_vm *vm, const as_jinja_template *template, const json_t *variables)
{
    as_jinja_context *context;
    as_jinja_dict *globals, *all;
    as_jinja_value given;
    AS_JINJA_TRY(make_globals(vm, &globals));
    vm->globals = as_jinja_dict_value(globals);
    AS_JINJA_TRY(as_jinja_dict_new(vm, &all) && as_jinja_dict_from(vm, vm->globals, all));
    if (json_is_object(variables)) {
        AS_JINJA_TRY(as_jinja_from_json(vm, variables, &given));
        AS_JINJA_TRY(as_jinja_dict_from(vm, given, all));
    }
    AS_JINJA_TRY(as_jinja_context_new(vm, template, all, &context));
    vm->context = context;
    return as_jinja_run_root(vm, template, context);
}

/* The text of raise_exception and the spans, as far as memory allows. */
static as_code fill_report(as_jinja_vm *vm, as_jinja_report *report, as_error *err)
{
    if (!report) return AS_OK;
    if (vm->raised.kind == AS_JINJA_STR) {
        report->raised = as_strndup(vm->raised.str->data, vm->raised.str->size);
        if (!report->raised) return as_fail_memory(err, "the report of a template");
    }
    report->span_count = vm->spans.size / sizeof *report->spans;
    if (report->span_count == 0) return AS_OK;
    report->spans = (as_jinja_span *)as_buf_take(&vm->spans, NULL);
    if (!report->spans) return as_fail_memory(err, "the report of a template");
    for (size_t i = 0; i < report->span_count; i++) { /* a filter around the block may have made it shorter */
        as_jinja_span *span = &report->spans[i];
        if (span->start > vm->out.size) span->start = vm->out.size;
        if (span->end > vm->out.size) span->end = vm->out.size;
    }
    return AS_OK;
}

/* Moves the text into the caller's buffer, or nothing. */
static as_code deliver(as_jinja_vm *vm, as_buf *out, as_error *err)
{
    size_t before = out->size;
    as_buf_add(out, as_buf_text(&vm->out), vm->out.size);
    as_code rc = as_buf_check(out, vm->template->name, err);
    if (rc != AS_OK && out->size > before) out->size = before;
    return rc;
}

as_code as_jinja_render(const as_jinja_template *template, const json_t *variables,
                        const as_jinja_options *options, as_buf *out, as_jinja_report *report, as_error *err)
{
    if (!options) options = &no_options;
    if (report) *report = (as_jinja_report){0};
    as_arena arena;
    as_arena_init(&arena, options->max_memory ? options->max_memory : (size_t)256 << 20);
    as_jinja_vm vm = {.arena = &arena,
                      .template = template,
                      .options = options,
                      .line = 1,
                      .max_depth = options->max_depth ? options->max_depth : 1000,
                      .max_steps = options->max_steps ? options->max_steps : 20000000};
    as_buf_init(&vm.out, options->max_output ? options->max_output : (size_t)64 << 20);
    as_buf_init(&vm.spans, 0);
    bool ok = run(&vm, template, variables);
    as_code rc = ok ? deliver(&vm, out, err) : finish(err, &vm);
    if (fill_report(&vm, report, err) != AS_OK) rc = AS_E_MEMORY;
    as_buf_free(&vm.spans);
    as_buf_free(&vm.out);
    as_arena_free(&arena);
    return rc;
}

void as_jinja_report_free(as_jinja_report *report)
{
    as_free(report->spans);
    as_free(report->raised);
    *report = (as_jinja_report){0};
}
