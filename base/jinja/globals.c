/* The global functions and the helper objects they make. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/jinja/run.h"
#include "base/utf8.h"

/* jinja2's sandbox: the longest range a template may make. */
enum { MAX_RANGE = 100000 };

static bool global_range(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)self;
    int64_t parts[3] = {0, 0, 1};
    if (args->kw && args->kw->count)
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "range() takes no keyword arguments");
    if (args->count < 1 || args->count > 3)
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "range expected 1 to 3 arguments");
    for (int64_t i = 0; i < args->count; i++) {
        AS_JINJA_TRY(as_jinja_to_index(vm, args->pos[i], &parts[args->count == 1 ? 1 : i]));
    }
    as_jinja_range *range = AS_JINJA_NEW(vm, as_jinja_range);
    if (!range) return false;
    int64_t start = parts[0], stop = parts[1], step = parts[2];
    if (step == 0) return as_jinja_fail(vm, AS_JINJA_X_VALUE, "range() arg 3 must not be zero");
    unsigned __int128 length = 0;
    if (step > 0 && start < stop) {
        length = ((unsigned __int128)((__int128)stop - start) - 1) / (uint64_t)step + 1;
    } else if (step < 0 && start > stop) {
        length = ((unsigned __int128)((__int128)start - stop) - 1) / (0 - (uint64_t)step) + 1;
    }
    if (length > MAX_RANGE) {
        return as_jinja_fail(vm, AS_JINJA_X_OVERFLOW,
                             "Range too big. The sandbox blocks ranges larger than %d", MAX_RANGE);
    }
    *range = (as_jinja_range){.start = start, .stop = stop, .step = step, .length = (int64_t)length};
    *out = (as_jinja_value){.kind = AS_JINJA_RANGE, .range = range};
    return true;
}

/* --- namespace --- */

static bool check_name(as_jinja_vm *vm, as_jinja_value name)
{
    if (vm->template->syntax.dialect == AS_JINJA_HTML) return true;
    if (!as_jinja_is_str(name) || !name.str->size || name.str->data[0] != '_') return true;
    return as_jinja_fail(vm, AS_JINJA_X_OTHER,
                         "a chat template cannot store the underscore-prefixed attribute '%.*s'",
                         (int)(name.str->size < 100 ? name.str->size : 100), name.str->data);
}

bool as_jinja_namespace_set(as_jinja_vm *vm, as_jinja_dict *space, as_jinja_value name, as_jinja_value value)
{
    return check_name(vm, name) && as_jinja_dict_set(vm, space, name, value);
}

static bool global_namespace(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                             as_jinja_value *out)
{
    (void)self;
    as_jinja_value made;
    AS_JINJA_TRY(as_jinja_call(vm, (as_jinja_value){.kind = AS_JINJA_DICTTYPE}, args, &made));
    for (int64_t i = 0; i < made.dict->count; i++) AS_JINJA_TRY(check_name(vm, made.dict->entries[i].key));
    *out = (as_jinja_value){.kind = AS_JINJA_NAMESPACE, .dict = made.dict};
    return true;
}

/* --- cycler and joiner --- */

static bool global_cycler(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    (void)self;
    if (args->kw && args->kw->count)
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "cycler() takes no keyword arguments");
    if (args->count == 0) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "at least one item has to be provided");
    as_jinja_cycler *cycler = AS_JINJA_NEW(vm, as_jinja_cycler);
    if (!cycler) return false;
    AS_JINJA_TRY(as_jinja_list_new(vm, args->count, &cycler->items));
    for (int64_t i = 0; i < args->count; i++)
        AS_JINJA_TRY(as_jinja_list_add(vm, cycler->items, args->pos[i]));
    *out = (as_jinja_value){.kind = AS_JINJA_CYCLER, .cycler = cycler};
    return true;
}

static bool cycler_next(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)vm;
    (void)args;
    as_jinja_cycler *c = self.cycler;
    *out = c->items->items[c->at];
    c->at = (c->at + 1) % c->items->count;
    return true;
}

static bool cycler_reset(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)vm;
    (void)args;
    self.cycler->at = 0;
    *out = as_jinja_none();
    return true;
}

const as_jinja_builtin as_jinja_cycler_methods[] = {
    {"next", "", 0, cycler_next},
    {"reset", "", 0, cycler_reset},
    {NULL, NULL, 0, NULL},
};

static bool global_joiner(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    (void)self;
    as_jinja_joiner *joiner = AS_JINJA_NEW(vm, as_jinja_joiner);
    if (!joiner) return false;
    joiner->separator = args->pos[0];
    if (!as_jinja_given(joiner->separator)) AS_JINJA_TRY(as_jinja_str_literal(vm, ", ", &joiner->separator));
    *out = (as_jinja_value){.kind = AS_JINJA_JOINER, .joiner = joiner};
    return true;
}

bool as_jinja_joiner_call(as_jinja_vm *vm, as_jinja_joiner *joiner, const as_jinja_args *args,
                          as_jinja_value *out)
{
    if (args->count || (args->kw && args->kw->count))
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "a joiner takes no arguments");
    bool used = joiner->used;
    joiner->used = true;
    if (!used) return as_jinja_str_literal(vm, "", out);
    *out = joiner->separator;
    return true;
}

bool as_jinja_helper_attribute(as_jinja_vm *vm, as_jinja_value v, const as_jinja_str *name, bool *found,
                               as_jinja_value *out)
{
    as_jinja_value text = as_jinja_string((as_jinja_str *)name);
    (void)vm;
    *found = true;
    if (v.kind == AS_JINJA_CYCLER && as_jinja_str_is(text, "current")) {
        *out = v.cycler->items->items[v.cycler->at];
    } else if (v.kind == AS_JINJA_CYCLER && as_jinja_str_is(text, "items")) {
        *out = as_jinja_tuple_value(v.cycler->items);
    } else if (v.kind == AS_JINJA_CYCLER && as_jinja_str_is(text, "pos")) {
        *out = as_jinja_int(v.cycler->at);
    } else if (v.kind == AS_JINJA_JOINER && as_jinja_str_is(text, "sep")) {
        *out = v.joiner->separator;
    } else if (v.kind == AS_JINJA_JOINER && as_jinja_str_is(text, "used")) {
        *out = as_jinja_bool(v.joiner->used);
    } else {
        *found = false;
    }
    return true;
}

/* --- what transformers adds --- */

static bool global_raise(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)self;
    (void)out;
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_to_str(vm, args->pos[0], &text));
    vm->raised = text;
    return as_jinja_fail(vm, AS_JINJA_X_RAISED, "the template refuses: %.*s",
                         (int)(text.str->size < 900 ? text.str->size : 900), text.str->data);
}

static bool read_time(const char *text, struct tm *tm, int *micros)
{
    char fraction[8] = "";
    int used = 0;
    int n = sscanf(text, "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d%n.%6[0-9]%n", &tm->tm_year, &tm->tm_mon, &tm->tm_mday,
                   &tm->tm_hour, &tm->tm_min, &tm->tm_sec, &used, fraction, &used);
    if (n < 6 || text[used]) return false;
    if (tm->tm_mon < 1 || tm->tm_mon > 12 || tm->tm_mday < 1 || tm->tm_mday > 31) return false;
    if (tm->tm_hour < 0 || tm->tm_hour > 23 || tm->tm_min < 0 || tm->tm_min > 59) return false;
    if (tm->tm_sec < 0 || tm->tm_sec > 60) return false;
    while (n == 7 && strlen(fraction) < 6) strcat(fraction, "0");
    if (n == 7) sscanf(fraction, "%d", micros);
    return true;
}

bool as_jinja_is_time(const char *text)
{
    struct tm tm;
    int micros;
    return read_time(text, &tm, &micros);
}

/* The fixed time of the options, or the clock's. */
static bool current_time(as_jinja_vm *vm, struct tm *tm, int *micros)
{
    const char *text = vm->options->now;
    *tm = (struct tm){.tm_isdst = -1};
    *micros = 0;
    if (!text) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        localtime_r(&now.tv_sec, tm);
        tm->tm_isdst = -1;
        *micros = (int)(now.tv_nsec / 1000);
        return true;
    }
    if (!read_time(text, tm, micros))
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "the time '%.40s' is not of the form 2026-01-02T03:04:05",
                             text);
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    struct tm day = {.tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = tm->tm_mday, .tm_hour = 12};
    timegm(&day); /* finds the day of the week and of the year */
    tm->tm_wday = day.tm_wday;
    tm->tm_yday = day.tm_yday;
    return true;
}

/* datetime.strftime of a time without zone: %f, %z and %Z are Python's, the rest is libc's. */
static bool python_directives(as_jinja_vm *vm, const as_jinja_str *format, int micros, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm);
    for (size_t i = 0; i < format->size; i++) {
        char c = format->data[i], next = i + 1 < format->size ? format->data[i + 1] : 0;
        if (c == '%' && next == 'f') {
            char room[16];
            snprintf(room, sizeof room, "%06d", micros);
            AS_JINJA_TRY(as_jinja_put_text(vm, room));
            i++;
        } else if (c == '%' && (next == 'z' || next == 'Z')) {
            i++;
        } else if (c == '%' && next) {
            AS_JINJA_TRY(as_jinja_put(vm, format->data + i, 2));
            i++;
        } else {
            AS_JINJA_TRY(as_jinja_put(vm, &c, 1));
        }
    }
    return as_jinja_str_cut(vm, mark, out);
}

static bool global_strftime(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                            as_jinja_value *out)
{
    (void)self;
    struct tm tm;
    int micros;
    as_jinja_value format;
    if (!as_jinja_is_str(args->pos[0])) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "strftime() argument 1 must be str, not %s",
                             as_jinja_type_name(args->pos[0]));
    }
    AS_JINJA_TRY(current_time(vm, &tm, &micros));
    AS_JINJA_TRY(python_directives(vm, args->pos[0].str, micros, &format));
    if (memchr(format.str->data, 0, format.str->size))
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "embedded null character");
    if (format.str->size == 0 || format.str->size > 4096) {
        *out = format;
        return format.str->size == 0 ||
               as_jinja_fail(vm, AS_JINJA_X_LIMIT, "the format of strftime_now is too long");
    }
    /* a directive writes at most some dozens of bytes, save those with a width, which libc cuts short */
    size_t room = 1024 + format.str->size * 128;
    char *text = as_jinja_alloc(vm, room);
    if (!text) return false;
    size_t size = strftime(text, room, format.str->data, &tm);
    if (!as_utf8_is_valid(text, size))
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "the time's text is not UTF-8");
    return as_jinja_str_copy(vm, text, size, out);
}

static bool global_lipsum(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    (void)self;
    (void)args;
    (void)out;
    return as_jinja_fail(vm, AS_JINJA_X_OTHER, "lipsum() is not supported");
}

const as_jinja_builtin as_jinja_globals[] = {
    {"range", "*", 0, global_range},
    {"namespace", "*", 0, global_namespace},
    {"cycler", "*", 0, global_cycler},
    {"joiner", "sep", 0, global_joiner},
    {"raise_exception", "message", 1, global_raise},
    {"strftime_now", "format", 1, global_strftime},
    {"lipsum", "*", 0, global_lipsum},
    {NULL, NULL, 0, NULL},
};
