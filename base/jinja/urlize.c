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
    aj_vm *vm;
    matcher m;
    pcre2_code *http, *email;
    aj_value attributes; /* rel and target */
    aj_value limit;      /* AJ_NONE: whole addresses */
    aj_list *schemes;
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

static bool matcher_open(aj_vm *vm, matcher *m)
{
    *m = (matcher){.general = pcre2_general_context_create(pcre_alloc, pcre_free, NULL)};
    if (m->general) m->compile = pcre2_compile_context_create(m->general);
    if (m->compile) m->match = pcre2_match_context_create(m->general);
    if (m->match) m->data = pcre2_match_data_create(1, m->general);
    if (!m->data) return aj_fail(vm, AJ_X_MEMORY, "out of memory");
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
    AJ_TRY(aj_step(l->vm, 500));
    *out = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS,
                         &code, &offset, l->m.compile);
    return *out || aj_fail(l->vm, AJ_X_MEMORY, "out of memory");
}

static bool matches(linker *l, const pcre2_code *code, const char *text, size_t size, bool *out)
{
    AJ_TRY(aj_step(l->vm, 50 + size));
    int rc = pcre2_match(code, (PCRE2_SPTR)text, size, 0, PCRE2_NO_UTF_CHECK, l->m.data, l->m.match);
    *out = rc >= 0;
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH) return true;
    if (rc == PCRE2_ERROR_NOMEMORY) return aj_fail(l->vm, AJ_X_MEMORY, "out of memory");
    return aj_fail(l->vm, AJ_X_LIMIT, "urlize: a word takes too long to examine");
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
    while ((found = aj_find_bytes(s, size, what, n)) >= 0) {
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
            int64_t at = aj_find_bytes(s + middle, size - middle, pairs[i][1], strlen(pairs[i][1]));
            middle += (size_t)at + strlen(pairs[i][1]);
        }
    }
    return middle;
}

static bool put_trimmed(linker *l, const char *s, size_t size)
{
    aj_vm *vm = l->vm;
    if (l->limit.kind == AJ_NONE) return aj_put(vm, s, size);
    aj_value text, shorter;
    int64_t limit;
    AJ_TRY(aj_str_ref(vm, s, size, &text) && aj_to_index(vm, l->limit, &limit));
    if (aj_str_length(text.str) <= limit) return aj_put(vm, s, size);
    aj_slice slice = {.start = aj_none(), .stop = l->limit, .step = aj_none()};
    AJ_TRY(aj_subscript(vm, text, (aj_value){.kind = AJ_SLICE, .slice = &slice}, &shorter));
    return aj_put_str(vm, shorter) && aj_put_text(vm, "...");
}

static bool put_web_link(linker *l, const char *s, size_t size)
{
    aj_vm *vm = l->vm;
    bool scheme = begins(s, size, "https://") || begins(s, size, "http://");
    return aj_put_text(vm, scheme ? "<a href=\"" : "<a href=\"https://") && aj_put(vm, s, size) &&
           aj_put_text(vm, "\"") && aj_put_str(vm, l->attributes) && aj_put_text(vm, ">") &&
           put_trimmed(l, s, size) && aj_put_text(vm, "</a>");
}

static bool put_link(linker *l, const char *prefix, const char *s, size_t size, size_t shown)
{
    aj_vm *vm = l->vm;
    return aj_put_text(vm, "<a href=\"") && aj_put_text(vm, prefix) && aj_put(vm, s, size) &&
           aj_put_text(vm, "\">") && aj_put(vm, s + shown, size - shown) && aj_put_text(vm, "</a>");
}

/* Addresses of the schemes the template names. */
static bool put_other(linker *l, const char *s, size_t size)
{
    aj_vm *vm = l->vm;
    aj_value text;
    AJ_TRY(aj_str_copy(vm, s, size, &text));
    for (int64_t i = 0; i < l->schemes->count; i++) {
        const aj_str *scheme = l->schemes->items[i].str, *t = text.str;
        if (t->size <= scheme->size || memcmp(t->data, scheme->data, scheme->size) != 0) continue;
        size_t mark = aj_mark(vm);
        AJ_TRY(aj_put_text(vm, "<a href=\"") && aj_put(vm, t->data, t->size) && aj_put_text(vm, "\"") &&
               aj_put_str(vm, l->attributes) && aj_put_text(vm, ">") && aj_put(vm, t->data, t->size) &&
               aj_put_text(vm, "</a>") && aj_str_cut(vm, mark, &text));
    }
    return aj_put_str(vm, text);
}

static bool put_middle(linker *l, const char *s, size_t size)
{
    bool found = false;
    AJ_TRY(matches(l, l->http, s, size, &found));
    if (found) return put_web_link(l, s, size);
    if (begins(s, size, "mailto:")) {
        AJ_TRY(matches(l, l->email, s + 7, size - 7, &found));
        if (found) return put_link(l, "", s, size, 7);
    }
    if (memchr(s, '@', size) && !begins(s, size, "www.") && s[0] != '@' && !memchr(s, ':', size)) {
        AJ_TRY(matches(l, l->email, s, size, &found));
        if (found) return put_link(l, "mailto:", s, size, 0);
    }
    return put_other(l, s, size);
}

static bool put_word(linker *l, const char *s, size_t size)
{
    size_t head = head_size(s, size);
    const char *middle = s + head;
    size_t rest = size - head, end = balance(middle, tail_start(middle, rest), rest);
    return aj_put(l->vm, s, head) && put_middle(l, middle, end) && aj_put(l->vm, middle + end, rest - end);
}

static bool put_words(linker *l, const aj_str *s)
{
    for (size_t at = 0; at < s->size;) {
        size_t from = at, next = at;
        bool space = aj_space(aj_next_codepoint(s->data, s->size, &next));
        while (at < s->size) {
            next = at;
            if (aj_space(aj_next_codepoint(s->data, s->size, &next)) != space) break;
            at = next;
        }
        AJ_TRY(space ? aj_put(l->vm, s->data + from, at - from) : put_word(l, s->data + from, at - from));
    }
    return true;
}

/* --- arguments --- */

/* The words of rel and the two that jinja2 adds, sorted, each once. */
static bool read_rel(aj_vm *vm, aj_value rel, bool nofollow, aj_list *out)
{
    aj_list *words;
    aj_value word;
    bool known;
    AJ_TRY(aj_list_new(vm, 2, &words));
    if (aj_given(rel) && aj_truth(rel)) {
        if (!aj_is_str(rel)) return aj_fail(vm, AJ_X_ATTRIBUTE, "rel must be a string");
        AJ_TRY(aj_split(vm, rel.str, NULL, -1, &words));
    }
    if (nofollow) AJ_TRY(aj_str_literal(vm, "nofollow", &word) && aj_list_add(vm, words, word));
    AJ_TRY(aj_str_literal(vm, "noopener", &word) && aj_list_add(vm, words, word));
    for (int64_t i = 0; i < words->count; i++) {
        AJ_TRY(aj_contains(vm, aj_list_value(out), words->items[i], &known));
        if (!known) AJ_TRY(aj_list_add(vm, out, words->items[i]));
    }
    aj_list *keys;
    return aj_collect(vm, aj_list_value(out), &keys) &&
           aj_sort(vm, keys->items, out->items, out->count, false);
}

static bool read_attributes(aj_vm *vm, const aj_args *args, aj_value *out)
{
    aj_list *rel;
    AJ_TRY(aj_list_new(vm, 4, &rel));
    AJ_TRY(read_rel(vm, args->pos[3], aj_given(args->pos[1]) && aj_truth(args->pos[1]), rel));
    size_t mark = aj_mark(vm);
    AJ_TRY(aj_put_text(vm, " rel=\""));
    for (int64_t i = 0; i < rel->count; i++) {
        if (i) AJ_TRY(aj_put_text(vm, " "));
        aj_put_escaped_bytes(vm, rel->items[i].str->data, rel->items[i].str->size);
    }
    AJ_TRY(aj_put_text(vm, "\""));
    if (aj_given(args->pos[2]) && aj_truth(args->pos[2])) {
        AJ_TRY(aj_put_text(vm, " target=\"") && aj_put_escaped(vm, args->pos[2]) && aj_put_text(vm, "\""));
    }
    return aj_str_cut(vm, mark, out);
}

static bool read_schemes(linker *l, aj_value schemes)
{
    aj_vm *vm = l->vm;
    pcre2_code *code;
    bool valid = true, ok = true;
    AJ_TRY(aj_list_new(vm, 0, &l->schemes));
    if (!aj_given(schemes) || schemes.kind == AJ_NONE) return true;
    AJ_TRY(aj_collect(vm, schemes, &l->schemes) && compile(l, scheme_pattern, &code));
    for (int64_t i = 0; ok && valid && i < l->schemes->count; i++) {
        aj_value v = l->schemes->items[i];
        valid = aj_is_str(v);
        ok = !valid || matches(l, code, v.str->data, v.str->size, &valid);
    }
    pcre2_code_free(code);
    if (ok && !valid) return aj_fail(vm, AJ_X_OTHER, "not a valid URI scheme prefix");
    return ok;
}

bool aj_filter_urlize(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    linker l = {.vm = vm, .limit = aj_given(args->pos[0]) ? args->pos[0] : aj_none()};
    aj_value text;
    AJ_TRY(read_attributes(vm, args, &l.attributes) && aj_escape(vm, self, &text));
    size_t mark = aj_mark(vm);
    bool ok = matcher_open(vm, &l.m) && read_schemes(&l, args->pos[4]) &&
              compile(&l, http_pattern, &l.http) && compile(&l, email_pattern, &l.email) &&
              put_words(&l, text.str);
    pcre2_code_free(l.http);
    pcre2_code_free(l.email);
    matcher_close(&l.m);
    if (!ok || !aj_str_cut(vm, mark, out)) return false;
    out->str->markup = aj_autoescape(vm);
    return true;
}
