/* The urlize filter: links in plain text, found by jinja2's own patterns. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/jinja/value.h"
#include "base/mem.h"

static const char http_pattern[] =
    "^((https?://|www\\.)(([\\w%-]+\\.)+)?([a-z]{2,63}|xn--[\\w%]{2,59})"
    "|([\\w%-]{2,63}\\.)+(com|net|int|edu|gov|org|info|mil)"
    "|(https?://)((([\\d]{1,3})(\\.[\\d]{1,3}){3})|(\\[([\\da-f]{0,4}:){2}([\\da-f]{0,4}:?){1,6}])))"
    "(?::[\\d]{1,5})?(?:[/?#]\\S*)?$";
static const char email_pattern[] = "^\\S+@\\w[\\w.-]*\\.\\w+$";
static const char scheme_pattern[] = "^[\\w.+-]{2,}:/{0,2}\\z";

/* How much one word may cost: backtracking, and its memory in KiB. */
enum { MATCH_LIMIT = 100000, HEAP_LIMIT = 8192 };

/* PCRE2's working memory, from our heap. */
typedef struct matcher {
    pcre2_general_context *general;
    pcre2_compile_context *compile;
    pcre2_match_context *match;
    pcre2_match_data *data;
} matcher;

typedef struct linker {
    as_jinja_vm *vm;
    matcher m;
    pcre2_code *http, *email;
    as_jinja_value attributes; /* rel and target */
    as_jinja_value limit;      /* AS_JINJA_NONE: whole addresses */
    as_jinja_list *schemes;
} linker;

static void *pcre_alloc(size_t size, void *context)
{
    (void)context;
    return as_alloc(size);
}

static void pcre_free(void *at, void *context)
{
    (void)context;
    as_free(at);
}

static bool matcher_open(as_jinja_vm *vm, matcher *m)
{
    *m = (matcher){.general = pcre2_general_context_create(pcre_alloc, pcre_free, NULL)};
    if (m->general) m->compile = pcre2_compile_context_create(m->general);
    if (m->compile) m->match = pcre2_match_context_create(m->general);
    if (m->match) m->data = pcre2_match_data_create(1, m->general);
    if (!m->data) return as_jinja_fail(vm, AS_JINJA_X_MEMORY, "out of memory");
    pcre2_set_match_limit(m->match, MATCH_LIMIT);
    pcre2_set_heap_limit(m->match, HEAP_LIMIT);
    return true;
}

static void matcher_close(matcher *m)
{
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->match);
    pcre2_compile_context_free(m->compile);
    pcre2_general_context_free(m->general);
}

static bool compile(linker *l, const char *pattern, pcre2_code **out)
{
    int code;
    PCRE2_SIZE offset;
    AS_JINJA_TRY(as_jinja_step(l->vm, 500));
    *out = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS,
                         &code, &offset, l->m.compile);
    return *out || as_jinja_fail(l->vm, AS_JINJA_X_MEMORY, "out of memory");
}

static bool matches(linker *l, const pcre2_code *code, const char *text, size_t size, bool *out)
{
    AS_JINJA_TRY(as_jinja_step(l->vm, 50 + size));
    int rc = pcre2_match(code, (PCRE2_SPTR)text, size, 0, PCRE2_NO_UTF_CHECK, l->m.data, l->m.match);
    *out = rc >= 0;
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH) return true;
    if (rc == PCRE2_ERROR_NOMEMORY) return as_jinja_fail(l->vm, AS_JINJA_X_MEMORY, "out of memory");
    return as_jinja_fail(l->vm, AS_JINJA_X_LIMIT, "urlize: a word takes too long to examine");
}

static bool begins(const char *s, size_t size, const char *word)
{
    size_t n = strlen(word);
    return size >= n && memcmp(s, word, n) == 0;
}

static int64_t count_text(const char *s, size_t size, const char *what)
{
    int64_t count = 0, found;
    size_t n = strlen(what);
    while ((found = as_jinja_find_bytes(s, size, what, n)) >= 0) {
        count++;
        s += (size_t)found + n;
        size -= (size_t)found + n;
    }
    return count;
}

/* Length of the brackets in front: ( < &lt; */
static size_t head_size(const char *s, size_t size)
{
    size_t at = 0;
    for (;;) {
        if (at < size && (s[at] == '(' || s[at] == '<')) {
            at++;
        } else if (begins(s + at, size - at, "&lt;")) {
            at += 4;
        } else {
            return at;
        }
    }
}

/* Where the punctuation at the end begins: ) > . , newline &gt; */
static size_t tail_start(const char *s, size_t size)
{
    size_t at = size;
    for (;;) {
        if (at > 0 && s[at - 1] && strchr(")>.,\n", s[at - 1])) {
            at--;
        } else if (at >= 4 && memcmp(s + at - 4, "&gt;", 4) == 0) {
            at -= 4;
        } else {
            return at;
        }
    }
}

/* Takes brackets that close what the address opens back into it: the new end of the address. */
static size_t balance(const char *s, size_t middle, size_t size)
{
    static const char *const pairs[][2] = {{"(", ")"}, {"<", ">"}, {"&lt;", "&gt;"}};
    for (size_t i = 0; i < 3; i++) {
        int64_t opened = count_text(s, middle, pairs[i][0]);
        if (opened <= count_text(s, middle, pairs[i][1])) continue;
        int64_t closing = count_text(s + middle, size - middle, pairs[i][1]);
        for (int64_t k = 0; k < (opened < closing ? opened : closing); k++) {
            int64_t at = as_jinja_find_bytes(s + middle, size - middle, pairs[i][1], strlen(pairs[i][1]));
            middle += (size_t)at + strlen(pairs[i][1]);
        }
    }
    return middle;
}

static bool put_trimmed(linker *l, const char *s, size_t size)
{
    as_jinja_vm *vm = l->vm;
    if (l->limit.kind == AS_JINJA_NONE) return as_jinja_put(vm, s, size);
    as_jinja_value text, shorter;
    int64_t limit;
    AS_JINJA_TRY(as_jinja_str_ref(vm, s, size, &text) && as_jinja_to_index(vm, l->limit, &limit));
    if (as_jinja_str_length(text.str) <= limit) return as_jinja_put(vm, s, size);
    as_jinja_slice slice = {.start = as_jinja_none(), .stop = l->limit, .step = as_jinja_none()};
    AS_JINJA_TRY(
        as_jinja_subscript(vm, text, (as_jinja_value){.kind = AS_JINJA_SLICE, .slice = &slice}, &shorter));
    return as_jinja_put_str(vm, shorter) && as_jinja_put_text(vm, "...");
}

static bool put_web_link(linker *l, const char *s, size_t size)
{
    as_jinja_vm *vm = l->vm;
    bool scheme = begins(s, size, "https://") || begins(s, size, "http://");
    return as_jinja_put_text(vm, scheme ? "<a href=\"" : "<a href=\"https://") && as_jinja_put(vm, s, size) &&
           as_jinja_put_text(vm, "\"") && as_jinja_put_str(vm, l->attributes) && as_jinja_put_text(vm, ">") &&
           put_trimmed(l, s, size) && as_jinja_put_text(vm, "</a>");
}

static bool put_link(linker *l, const char *prefix, const char *s, size_t size, size_t shown)
{
    as_jinja_vm *vm = l->vm;
    return as_jinja_put_text(vm, "<a href=\"") && as_jinja_put_text(vm, prefix) &&
           as_jinja_put(vm, s, size) && as_jinja_put_text(vm, "\">") &&
           as_jinja_put(vm, s + shown, size - shown) && as_jinja_put_text(vm, "</a>");
}

/* Addresses of the schemes the template names. */
static bool put_other(linker *l, const char *s, size_t size)
{
    as_jinja_vm *vm = l->vm;
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_str_copy(vm, s, size, &text));
    for (int64_t i = 0; i < l->schemes->count; i++) {
        const as_jinja_str *scheme = l->schemes->items[i].str, *t = text.str;
        if (t->size <= scheme->size || memcmp(t->data, scheme->data, scheme->size) != 0) continue;
        size_t mark = as_jinja_mark(vm);
        AS_JINJA_TRY(as_jinja_put_text(vm, "<a href=\"") && as_jinja_put(vm, t->data, t->size) &&
                     as_jinja_put_text(vm, "\"") && as_jinja_put_str(vm, l->attributes) &&
                     as_jinja_put_text(vm, ">") && as_jinja_put(vm, t->data, t->size) &&
                     as_jinja_put_text(vm, "</a>") && as_jinja_str_cut(vm, mark, &text));
    }
    return as_jinja_put_str(vm, text);
}

static bool put_middle(linker *l, const char *s, size_t size)
{
    bool found = false;
    AS_JINJA_TRY(matches(l, l->http, s, size, &found));
    if (found) return put_web_link(l, s, size);
    if (begins(s, size, "mailto:")) {
        AS_JINJA_TRY(matches(l, l->email, s + 7, size - 7, &found));
        if (found) return put_link(l, "", s, size, 7);
    }
    if (memchr(s, '@', size) && !begins(s, size, "www.") && s[0] != '@' && !memchr(s, ':', size)) {
        AS_JINJA_TRY(matches(l, l->email, s, size, &found));
        if (found) return put_link(l, "mailto:", s, size, 0);
    }
    return put_other(l, s, size);
}

static bool put_word(linker *l, const char *s, size_t size)
{
    size_t head = head_size(s, size);
    const char *middle = s + head;
    size_t rest = size - head, end = balance(middle, tail_start(middle, rest), rest);
    return as_jinja_put(l->vm, s, head) && put_middle(l, middle, end) &&
           as_jinja_put(l->vm, middle + end, rest - end);
}

static bool put_words(linker *l, const as_jinja_str *s)
{
    for (size_t at = 0; at < s->size;) {
        size_t from = at, next = at;
        bool space = as_jinja_space(as_jinja_next_codepoint(s->data, s->size, &next));
        while (at < s->size) {
            next = at;
            if (as_jinja_space(as_jinja_next_codepoint(s->data, s->size, &next)) != space) break;
            at = next;
        }
        AS_JINJA_TRY(space ? as_jinja_put(l->vm, s->data + from, at - from)
                           : put_word(l, s->data + from, at - from));
    }
    return true;
}

/* --- arguments --- */

/* The words of rel and the two that jinja2 adds, sorted, each once. */
static bool read_rel(as_jinja_vm *vm, as_jinja_value rel, bool nofollow, as_jinja_list *out)
{
    as_jinja_list *words;
    as_jinja_value word;
    bool known;
    AS_JINJA_TRY(as_jinja_list_new(vm, 2, &words));
    if (as_jinja_given(rel) && as_jinja_truth(rel)) {
        if (!as_jinja_is_str(rel)) return as_jinja_fail(vm, AS_JINJA_X_ATTRIBUTE, "rel must be a string");
        AS_JINJA_TRY(as_jinja_split(vm, rel.str, NULL, -1, &words));
    }
    if (nofollow)
        AS_JINJA_TRY(as_jinja_str_literal(vm, "nofollow", &word) && as_jinja_list_add(vm, words, word));
    AS_JINJA_TRY(as_jinja_str_literal(vm, "noopener", &word) && as_jinja_list_add(vm, words, word));
    for (int64_t i = 0; i < words->count; i++) {
        AS_JINJA_TRY(as_jinja_contains(vm, as_jinja_list_value(out), words->items[i], &known));
        if (!known) AS_JINJA_TRY(as_jinja_list_add(vm, out, words->items[i]));
    }
    as_jinja_list *keys;
    return as_jinja_collect(vm, as_jinja_list_value(out), &keys) &&
           as_jinja_sort(vm, keys->items, out->items, out->count, false);
}

static bool read_attributes(as_jinja_vm *vm, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_list *rel;
    AS_JINJA_TRY(as_jinja_list_new(vm, 4, &rel));
    AS_JINJA_TRY(
        read_rel(vm, args->pos[3], as_jinja_given(args->pos[1]) && as_jinja_truth(args->pos[1]), rel));
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(as_jinja_put_text(vm, " rel=\""));
    for (int64_t i = 0; i < rel->count; i++) {
        if (i) AS_JINJA_TRY(as_jinja_put_text(vm, " "));
        as_jinja_put_escaped_bytes(vm, rel->items[i].str->data, rel->items[i].str->size);
    }
    AS_JINJA_TRY(as_jinja_put_text(vm, "\""));
    if (as_jinja_given(args->pos[2]) && as_jinja_truth(args->pos[2])) {
        AS_JINJA_TRY(as_jinja_put_text(vm, " target=\"") && as_jinja_put_escaped(vm, args->pos[2]) &&
                     as_jinja_put_text(vm, "\""));
    }
    return as_jinja_str_cut(vm, mark, out);
}

static bool read_schemes(linker *l, as_jinja_value schemes)
{
    as_jinja_vm *vm = l->vm;
    pcre2_code *code;
    bool valid = true, ok = true;
    AS_JINJA_TRY(as_jinja_list_new(vm, 0, &l->schemes));
    if (!as_jinja_given(schemes) || schemes.kind == AS_JINJA_NONE) return true;
    AS_JINJA_TRY(as_jinja_collect(vm, schemes, &l->schemes) && compile(l, scheme_pattern, &code));
    for (int64_t i = 0; ok && valid && i < l->schemes->count; i++) {
        as_jinja_value v = l->schemes->items[i];
        valid = as_jinja_is_str(v);
        ok = !valid || matches(l, code, v.str->data, v.str->size, &valid);
    }
    pcre2_code_free(code);
    if (ok && !valid) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "not a valid URI scheme prefix");
    return ok;
}

bool as_jinja_filter_urlize(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                            as_jinja_value *out)
{
    linker l = {.vm = vm, .limit = as_jinja_given(args->pos[0]) ? args->pos[0] : as_jinja_none()};
    as_jinja_value text;
    AS_JINJA_TRY(read_attributes(vm, args, &l.attributes) && as_jinja_escape(vm, self, &text));
    size_t mark = as_jinja_mark(vm);
    bool ok = matcher_open(vm, &l.m) && read_schemes(&l, args->pos[4]) &&
              compile(&l, http_pattern, &l.http) && compile(&l, email_pattern, &l.email) &&
              put_words(&l, text.str);
    pcre2_code_free(l.http);
    pcre2_code_free(l.email);
    matcher_close(&l.m);
    if (!ok || !as_jinja_str_cut(vm, mark, out)) return false;
    out->str->markup = as_jinja_autoescape(vm);
    return true;
}
