/* Methods of str that search, cut and join; see str_case.c for those about letters. */
#include <string.h>

#include "base/jinja/value.h"

/* --- arguments --- */

static bool need_str(as_jinja_vm *vm, as_jinja_value v, const as_jinja_str **out)
{
    *out = as_jinja_is_str(v) ? v.str : NULL;
    return *out || as_jinja_fail(vm, AS_JINJA_X_TYPE, "must be str, not %s", as_jinja_type_name(v));
}

/* A string, or NULL for None and for an argument not given. */
static bool maybe_str(as_jinja_vm *vm, as_jinja_value v, const as_jinja_str **out)
{
    *out = NULL;
    return !as_jinja_given(v) || v.kind == AS_JINJA_NONE || need_str(vm, v, out);
}

static bool maybe_index(as_jinja_vm *vm, as_jinja_value v, int64_t fallback, int64_t *out)
{
    *out = fallback;
    return !as_jinja_given(v) || as_jinja_to_index(vm, v, out);
}

/* [start, end) of find and its kin, in codepoints clamped to the string; start > end says it is out of reach.
 */
static bool bounds(as_jinja_vm *vm, const as_jinja_str *s, as_jinja_value from, as_jinja_value to,
                   int64_t *start, int64_t *end)
{
    int64_t length = as_jinja_str_length(s);
    *start = 0;
    *end = length;
    if (as_jinja_given(from) && from.kind != AS_JINJA_NONE) AS_JINJA_TRY(as_jinja_to_index(vm, from, start));
    if (as_jinja_given(to) && to.kind != AS_JINJA_NONE) AS_JINJA_TRY(as_jinja_to_index(vm, to, end));
    if (*end > length) *end = length;
    if (*end < 0) *end = *end + length < 0 ? 0 : *end + length;
    if (*start < 0) *start = *start + length < 0 ? 0 : *start + length;
    return true;
}

static bool result(as_jinja_vm *vm, as_jinja_value self, size_t mark, as_jinja_value *out)
{
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = self.str->markup;
    return true;
}

/* --- searching --- */

static int64_t find_last(const char *data, size_t size, const char *what, size_t what_size)
{
    if (what_size > size) return -1;
    for (size_t at = size - what_size + 1; at-- > 0;) {
        if (memcmp(data + at, what, what_size) == 0) return (int64_t)at;
    }
    return -1;
}

/* Codepoint where the substring begins, -1 if it does not occur. */
static bool search(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, bool last, int64_t *out)
{
    const as_jinja_str *s = self.str, *what;
    int64_t start, end;
    AS_JINJA_TRY(need_str(vm, args->pos[0], &what));
    AS_JINJA_TRY(bounds(vm, s, args->pos[1], args->pos[2], &start, &end));
    *out = -1;
    if (start > end) return true;
    size_t from = as_jinja_str_offset(s, start), to = as_jinja_str_offset(s, end);
    AS_JINJA_TRY(
        as_jinja_step(vm, 1 + (to - from) / 64 + (last ? (to - from) / 16 * (1 + what->size / 64) : 0)));
    int64_t at = last ? find_last(s->data + from, to - from, what->data, what->size)
                      : as_jinja_find_bytes(s->data + from, to - from, what->data, what->size);
    if (at < 0) return true;
    as_jinja_str before = {.data = s->data + from, .size = (size_t)at, .length = -1};
    *out = start + as_jinja_str_length(&before);
    return true;
}

static bool str_find(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    *out = as_jinja_int(0);
    return search(vm, self, args, false, &out->i);
}

static bool str_rfind(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    *out = as_jinja_int(0);
    return search(vm, self, args, true, &out->i);
}

static bool str_index(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    AS_JINJA_TRY(str_find(vm, self, args, out));
    return out->i >= 0 || as_jinja_fail(vm, AS_JINJA_X_VALUE, "substring not found");
}

static bool str_rindex(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    AS_JINJA_TRY(str_rfind(vm, self, args, out));
    return out->i >= 0 || as_jinja_fail(vm, AS_JINJA_X_VALUE, "substring not found");
}

static bool str_count(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    const as_jinja_str *s = self.str, *what;
    int64_t start, end, count = 0, found;
    AS_JINJA_TRY(need_str(vm, args->pos[0], &what));
    AS_JINJA_TRY(bounds(vm, s, args->pos[1], args->pos[2], &start, &end));
    *out = as_jinja_int(0);
    if (start > end) return true;
    size_t from = as_jinja_str_offset(s, start), to = as_jinja_str_offset(s, end);
    AS_JINJA_TRY(as_jinja_step(vm, 1 + (to - from) / 64));
    if (what->size == 0) {
        *out = as_jinja_int(end - start + 1);
        return true;
    }
    while ((found = as_jinja_find_bytes(s->data + from, to - from, what->data, what->size)) >= 0) {
        count++;
        from += (size_t)found + what->size;
    }
    *out = as_jinja_int(count);
    return true;
}

static bool affix_one(as_jinja_vm *vm, const as_jinja_str *s, as_jinja_value what, size_t from, size_t to,
                      bool tail, bool *out)
{
    if (!as_jinja_is_str(what)) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "%s first arg must be str or a tuple of str, not %s",
                             tail ? "endswith" : "startswith", as_jinja_type_name(what));
    }
    size_t size = what.str->size;
    *out = size <= to - from && memcmp(s->data + (tail ? to - size : from), what.str->data, size) == 0;
    return true;
}

static bool affix(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, bool tail,
                  as_jinja_value *out)
{
    const as_jinja_str *s = self.str;
    int64_t start, end;
    bool found = false;
    AS_JINJA_TRY(bounds(vm, s, args->pos[1], args->pos[2], &start, &end));
    bool reachable = start <= end;
    size_t from = reachable ? as_jinja_str_offset(s, start) : 0,
           to = reachable ? as_jinja_str_offset(s, end) : 0;
    as_jinja_value what = args->pos[0];
    int64_t count = what.kind == AS_JINJA_TUPLE ? what.list->count : 1;
    for (int64_t i = 0; i < count && !found; i++) {
        AS_JINJA_TRY(affix_one(vm, s, what.kind == AS_JINJA_TUPLE ? what.list->items[i] : what, from, to,
                               tail, &found));
        found = found && reachable;
    }
    *out = as_jinja_bool(found);
    return true;
}

static bool str_startswith(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                           as_jinja_value *out)
{
    return affix(vm, self, args, false, out);
}

static bool str_endswith(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return affix(vm, self, args, true, out);
}

/* --- cutting --- */

static bool strip(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, int sides,
                  as_jinja_value *out)
{
    const as_jinja_str *chars;
    AS_JINJA_TRY(maybe_str(vm, args->pos[0], &chars));
    return as_jinja_trim(vm, self.str, chars, sides, out);
}

static bool str_strip(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return strip(vm, self, args, 3, out);
}

static bool str_lstrip(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return strip(vm, self, args, 1, out);
}

static bool str_rstrip(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return strip(vm, self, args, 2, out);
}

static bool str_split(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    const as_jinja_str *separator;
    int64_t limit;
    as_jinja_list *list;
    AS_JINJA_TRY(maybe_str(vm, args->pos[0], &separator) && maybe_index(vm, args->pos[1], -1, &limit));
    AS_JINJA_TRY(as_jinja_split(vm, self.str, separator, limit, &list));
    *out = as_jinja_list_value(list);
    return true;
}

/* The last pieces first; the caller turns them round. */
static bool rsplit_by(as_jinja_vm *vm, const as_jinja_str *s, const as_jinja_str *separator, int64_t limit,
                      as_jinja_list *list)
{
    size_t to = s->size;
    as_jinja_value part;
    AS_JINJA_TRY(as_jinja_step(vm, 1 + s->size / 16 * (1 + separator->size / 64)));
    while (limit-- > 0) {
        int64_t found = find_last(s->data, to, separator->data, separator->size);
        if (found < 0) break;
        AS_JINJA_TRY(as_jinja_substring(vm, s, (size_t)found + separator->size, to, &part) &&
                     as_jinja_list_add(vm, list, part));
        to = (size_t)found;
    }
    return as_jinja_substring(vm, s, 0, to, &part) && as_jinja_list_add(vm, list, part);
}

static bool rsplit_space(as_jinja_vm *vm, const as_jinja_str *s, int64_t limit, as_jinja_list *list)
{
    size_t to = s->size;
    as_jinja_value part;
    for (;;) {
        size_t before = to;
        while (to > 0 && as_jinja_space(as_jinja_previous_codepoint(s->data, &before))) to = before;
        if (to == 0) return true;
        size_t from = to;
        if (limit-- == 0) {
            return as_jinja_substring(vm, s, 0, to, &part) && as_jinja_list_add(vm, list, part);
        }
        before = to;
        while (from > 0 && !as_jinja_space(as_jinja_previous_codepoint(s->data, &before))) from = before;
        AS_JINJA_TRY(as_jinja_step(vm, 1 + (to - from) / 64));
        AS_JINJA_TRY(as_jinja_substring(vm, s, from, to, &part) && as_jinja_list_add(vm, list, part));
        to = from;
    }
}

static bool str_rsplit(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    const as_jinja_str *separator;
    int64_t limit;
    as_jinja_list *list;
    AS_JINJA_TRY(maybe_str(vm, args->pos[0], &separator) && maybe_index(vm, args->pos[1], -1, &limit));
    AS_JINJA_TRY(as_jinja_list_new(vm, 0, &list));
    if (limit < 0) limit = INT64_MAX;
    if (separator && separator->size == 0) return as_jinja_fail(vm, AS_JINJA_X_VALUE, "empty separator");
    AS_JINJA_TRY(separator ? rsplit_by(vm, self.str, separator, limit, list)
                           : rsplit_space(vm, self.str, limit, list));
    for (int64_t i = 0, k = list->count - 1; i < k; i++, k--) {
        as_jinja_value v = list->items[i];
        list->items[i] = list->items[k];
        list->items[k] = v;
    }
    *out = as_jinja_list_value(list);
    return true;
}

static bool str_splitlines(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                           as_jinja_value *out)
{
    as_jinja_list *list;
    int64_t keep_ends;
    AS_JINJA_TRY(maybe_index(vm, args->pos[0], 0, &keep_ends));
    AS_JINJA_TRY(as_jinja_split_lines(vm, self.str, keep_ends != 0, &list));
    *out = as_jinja_list_value(list);
    return true;
}

static bool partition(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, bool last,
                      as_jinja_value *out)
{
    const as_jinja_str *s = self.str, *separator;
    as_jinja_list *parts;
    AS_JINJA_TRY(need_str(vm, args->pos[0], &separator));
    if (separator->size == 0) return as_jinja_fail(vm, AS_JINJA_X_VALUE, "empty separator");
    AS_JINJA_TRY(as_jinja_step(vm, 1 + s->size / (last ? 16 : 64)));
    int64_t found = last ? find_last(s->data, s->size, separator->data, separator->size)
                         : as_jinja_find_bytes(s->data, s->size, separator->data, separator->size);
    size_t middle = found >= 0 ? (size_t)found : last ? 0 : s->size;
    size_t behind = found >= 0 ? middle + separator->size : middle;
    AS_JINJA_TRY(as_jinja_list_new(vm, 3, &parts));
    AS_JINJA_TRY(as_jinja_substring(vm, s, 0, middle, &parts->items[0]) &&
                 as_jinja_substring(vm, s, middle, behind, &parts->items[1]) &&
                 as_jinja_substring(vm, s, behind, s->size, &parts->items[2]));
    parts->count = 3;
    *out = as_jinja_tuple_value(parts);
    return true;
}

static bool str_partition(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    return partition(vm, self, args, false, out);
}

static bool str_rpartition(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                           as_jinja_value *out)
{
    return partition(vm, self, args, true, out);
}

static bool str_removeprefix(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                             as_jinja_value *out)
{
    const as_jinja_str *s = self.str, *prefix;
    AS_JINJA_TRY(need_str(vm, args->pos[0], &prefix));
    bool has = prefix->size <= s->size && memcmp(s->data, prefix->data, prefix->size) == 0;
    return as_jinja_substring(vm, s, has ? prefix->size : 0, s->size, out);
}

static bool str_removesuffix(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                             as_jinja_value *out)
{
    const as_jinja_str *s = self.str, *suffix;
    AS_JINJA_TRY(need_str(vm, args->pos[0], &suffix));
    size_t rest = s->size - (suffix->size <= s->size ? suffix->size : 0);
    bool has = suffix->size <= s->size && memcmp(s->data + rest, suffix->data, suffix->size) == 0;
    return as_jinja_substring(vm, s, 0, has ? rest : s->size, out);
}

/* --- joining, replacing, padding --- */

static bool str_join(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_list *items;
    AS_JINJA_TRY(as_jinja_collect(vm, args->pos[0], &items));
    size_t mark = as_jinja_mark(vm);
    for (int64_t i = 0; i < items->count; i++) {
        if (i) AS_JINJA_TRY(as_jinja_put(vm, self.str->data, self.str->size));
        if (self.str->markup) {
            AS_JINJA_TRY(as_jinja_put_escaped(vm, items->items[i]));
        } else if (as_jinja_is_str(items->items[i])) {
            AS_JINJA_TRY(as_jinja_put(vm, items->items[i].str->data, items->items[i].str->size));
        } else {
            return as_jinja_fail(vm, AS_JINJA_X_TYPE, "sequence item %lld: expected str instance, %s found",
                                 (long long)i, as_jinja_type_name(items->items[i]));
        }
    }
    return result(vm, self, mark, out);
}

static bool str_replace(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    const as_jinja_str *old, *with;
    int64_t count;
    AS_JINJA_TRY(need_str(vm, args->pos[0], &old));
    as_jinja_value replacement = args->pos[1];
    if (self.str->markup) AS_JINJA_TRY(as_jinja_escape(vm, replacement, &replacement));
    AS_JINJA_TRY(need_str(vm, replacement, &with) && maybe_index(vm, args->pos[2], -1, &count));
    return as_jinja_replace(vm, self.str, old, with, count, out);
}

static bool put_repeated(as_jinja_vm *vm, const as_jinja_str *fill, int64_t count)
{
    if (count <= 0) return true;
    if (count > (int64_t)1 << 32) return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "a string is too large");
    AS_JINJA_TRY(as_jinja_step(vm, (uint64_t)count / 16));
    for (int64_t i = 0; i < count; i++) AS_JINJA_TRY(as_jinja_put(vm, fill->data, fill->size));
    return true;
}

/* side: -1 text to the left, 0 centred, 1 to the right. */
static bool pad(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, int side,
                as_jinja_value *out)
{
    int64_t width, length = as_jinja_str_length(self.str);
    as_jinja_str space = {.data = " ", .size = 1, .length = 1};
    const as_jinja_str *fill = &space;
    AS_JINJA_TRY(as_jinja_to_index(vm, args->pos[0], &width));
    as_jinja_value given = args->pos[1];
    if (as_jinja_given(given) && self.str->markup) AS_JINJA_TRY(as_jinja_escape(vm, given, &given));
    if (as_jinja_given(given)) AS_JINJA_TRY(need_str(vm, given, &fill));
    if (as_jinja_str_length(fill) != 1) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "The fill character must be exactly one character long");
    }
    int64_t total = width > length ? width - length : 0;
    int64_t left = side < 0 ? 0 : side > 0 ? total : total / 2 + (total & width & 1);
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(put_repeated(vm, fill, left) && as_jinja_put(vm, self.str->data, self.str->size) &&
                 put_repeated(vm, fill, total - left));
    return result(vm, self, mark, out);
}

static bool str_center(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return pad(vm, self, args, 0, out);
}

static bool str_ljust(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return pad(vm, self, args, -1, out);
}

static bool str_rjust(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return pad(vm, self, args, 1, out);
}

static bool str_zfill(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    const as_jinja_str *s = self.str;
    as_jinja_str zero = {.data = "0", .size = 1, .length = 1};
    int64_t width;
    AS_JINJA_TRY(as_jinja_to_index(vm, args->pos[0], &width));
    size_t sign = s->size && (s->data[0] == '-' || s->data[0] == '+');
    size_t mark = as_jinja_mark(vm);
    bool grows = width > as_jinja_str_length(s);
    AS_JINJA_TRY(as_jinja_put(vm, s->data, grows ? sign : 0));
    AS_JINJA_TRY(
        put_repeated(vm, &zero, width > as_jinja_str_length(s) ? width - as_jinja_str_length(s) : 0));
    AS_JINJA_TRY(as_jinja_put(vm, s->data + (grows ? sign : 0), s->size - (grows ? sign : 0)));
    return result(vm, self, mark, out);
}

static bool str_expandtabs(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                           as_jinja_value *out)
{
    const as_jinja_str *s = self.str;
    as_jinja_str space = {.data = " ", .size = 1, .length = 1};
    int64_t size, column = 0;
    AS_JINJA_TRY(maybe_index(vm, args->pos[0], 8, &size));
    size_t mark = as_jinja_mark(vm);
    for (size_t at = 0; at < s->size;) {
        size_t from = at;
        uint32_t c = as_jinja_next_codepoint(s->data, s->size, &at);
        if (c == '\t') {
            int64_t fill = size > 0 ? size - column % size : 0;
            AS_JINJA_TRY(put_repeated(vm, &space, fill));
            column += fill;
            continue;
        }
        AS_JINJA_TRY(as_jinja_put(vm, s->data + from, at - from));
        column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    return result(vm, self, mark, out);
}

static bool str_format(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_value mapping = args->kw ? as_jinja_dict_value(args->kw) : as_jinja_none();
    return as_jinja_str_format(vm, self.str, args->pos, args->count, mapping, out);
}

static bool str_format_map(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                           as_jinja_value *out)
{
    return as_jinja_str_format(vm, self.str, NULL, 0, args->pos[0], out);
}

static bool str_unsupported(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                            as_jinja_value *out)
{
    (void)self;
    (void)args;
    (void)out;
    return as_jinja_fail(vm, AS_JINJA_X_OTHER, "this string method is not supported");
}

const as_jinja_builtin as_jinja_str_methods[] = {
    {"find", "/what start end", 1, str_find},
    {"rfind", "/what start end", 1, str_rfind},
    {"index", "/what start end", 1, str_index},
    {"rindex", "/what start end", 1, str_rindex},
    {"count", "/what start end", 1, str_count},
    {"startswith", "/prefix start end", 1, str_startswith},
    {"endswith", "/suffix start end", 1, str_endswith},
    {"strip", "/chars", 0, str_strip},
    {"lstrip", "/chars", 0, str_lstrip},
    {"rstrip", "/chars", 0, str_rstrip},
    {"split", "sep maxsplit", 0, str_split},
    {"rsplit", "sep maxsplit", 0, str_rsplit},
    {"splitlines", "keepends", 0, str_splitlines},
    {"partition", "/sep", 1, str_partition},
    {"rpartition", "/sep", 1, str_rpartition},
    {"removeprefix", "/prefix", 1, str_removeprefix},
    {"removesuffix", "/suffix", 1, str_removesuffix},
    {"join", "/iterable", 1, str_join},
    {"replace", "/old new count", 2, str_replace},
    {"center", "/width fillchar", 1, str_center},
    {"ljust", "/width fillchar", 1, str_ljust},
    {"rjust", "/width fillchar", 1, str_rjust},
    {"zfill", "/width", 1, str_zfill},
    {"expandtabs", "tabsize", 0, str_expandtabs},
    {"format", "*", 0, str_format},
    {"format_map", "/mapping", 1, str_format_map},
    {"encode", "*", 0, str_unsupported},
    {"translate", "*", 0, str_unsupported},
    {"maketrans", "*", 0, str_unsupported},
    {NULL, NULL, 0, NULL},
};
