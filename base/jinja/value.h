/* Values of the interpreter and the machine that holds them. Internal to base/jinja; its names begin with
 * aj_.
 *
 * Values are Python's: each kind below behaves as the Python type named beside it. They live in the arena of
 * one rendering (constants: of the template) and are never freed one by one.
 *
 * A fallible function returns false after aj_fail recorded the error in the machine, and true otherwise. */
#ifndef AS_BASE_JINJA_VALUE_H
#define AS_BASE_JINJA_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/jinja/jinja.h"

typedef enum aj_kind {
    AJ_MISSING,   /* no value: an argument not given, a variable not set */
    AJ_UNBOUND,   /* a slot that was never written: reading it is an error, as in the code jinja2 generates */
    AJ_UNDEFINED, /* jinja2.Undefined */
    AJ_NONE,
    AJ_BOOL,
    AJ_INT, /* int that fits 64 bits */
    AJ_BIG, /* int that does not */
    AJ_FLOAT,
    AJ_STR, /* str and markupsafe.Markup */
    AJ_LIST,
    AJ_TUPLE,
    AJ_DICT,
    AJ_RANGE,
    AJ_VIEW, /* dict_keys, dict_values, dict_items */
    AJ_ITER, /* generators and other iterators */
    AJ_FUNC, /* builtin functions and methods bound to a value */
    AJ_MACRO,
    AJ_NAMESPACE,
    AJ_LOOP,
    AJ_CYCLER,
    AJ_JOINER,
    AJ_MODULE,   /* an imported template */
    AJ_SELF,     /* `self`: the blocks of a template */
    AJ_BLOCKREF, /* self.name and super */
    AJ_SLICE,    /* a:b:c inside a subscript */
    AJ_DICTTYPE, /* the global `dict` */
} aj_kind;

typedef struct aj_str {
    const char *data; /* UTF-8, not terminated */
    size_t size;
    int64_t length; /* codepoints; -1 while unknown */
    uint64_t hash;  /* 0 while unknown */
    bool markup;
} aj_str;

typedef struct aj_big aj_big;
typedef struct aj_list aj_list;
typedef struct aj_dict aj_dict;
typedef struct aj_iter aj_iter;
typedef struct aj_func aj_func;
typedef struct aj_undef aj_undef;
typedef struct aj_range aj_range;
typedef struct aj_view aj_view;
typedef struct aj_macro aj_macro;
typedef struct aj_loop aj_loop;
typedef struct aj_cycler aj_cycler;
typedef struct aj_joiner aj_joiner;
typedef struct aj_module aj_module;
typedef struct aj_blockref aj_blockref;
typedef struct aj_slice aj_slice;
typedef struct aj_context aj_context;
typedef struct aj_vm aj_vm;

typedef struct aj_value {
    aj_kind kind;
    union {
        bool truth;
        int64_t i;
        double f;
        const aj_big *big;
        aj_str *str;
        aj_list *list; /* also of a tuple */
        aj_dict *dict; /* also of a namespace */
        aj_range *range;
        aj_view *view;
        aj_iter *iter;
        aj_func *func;
        aj_undef *undef;
        aj_macro *macro;
        aj_loop *loop;
        aj_cycler *cycler;
        aj_joiner *joiner;
        aj_module *module;
        aj_context *context; /* of AJ_SELF */
        aj_blockref *blockref;
        aj_slice *slice;
        const void *identity;
    };
} aj_value;

struct aj_list {
    aj_value *items;
    int64_t count, room;
    bool group; /* a tuple with the attributes grouper and list */
};

/* Insertion order; keys by Python's equality (1 == 1.0 == True). Never shrinks. */
typedef struct aj_entry {
    uint64_t hash;
    aj_value key, value;
} aj_entry;

struct aj_dict {
    aj_entry *entries;
    int64_t count, room;
    uint32_t *index; /* entry number + 1 by hash; NULL while small */
    uint64_t mask;
};

struct aj_range {
    int64_t start, stop, step, length;
};

typedef enum { AJ_KEYS, AJ_VALUES, AJ_ITEMS } aj_view_kind;
struct aj_view {
    aj_dict *dict;
    aj_view_kind kind;
};

/* An iterator: next gives 1 and a value, 0 at the end, -1 on error. */
typedef int aj_next(aj_vm *vm, aj_iter *iter, aj_value *out);
struct aj_iter {
    aj_next *next;
    const char *type; /* Python's name of it: generator, list_reverseiterator, ... */
    aj_value source;
    int64_t at, stop, step;
    void *state;
    bool done, running;
};

struct aj_undef {
    const char *hint; /* the whole message; NULL: made from name and owner */
    aj_value name;    /* AJ_MISSING, a string or another subscript */
    aj_value owner;   /* AJ_MISSING: a variable */
    bool unsafe;      /* what the sandbox refuses */
};

struct aj_slice {
    aj_value start, stop, step; /* AJ_NONE when absent */
};

/* Kinds of Python exception, as far as jinja2 tells them apart when it catches one. */
typedef enum aj_exc {
    AJ_X_NONE = 0,
    AJ_X_TYPE = 1 << 0,
    AJ_X_VALUE = 1 << 1,
    AJ_X_LOOKUP = 1 << 2,
    AJ_X_ATTRIBUTE = 1 << 3,
    AJ_X_OVERFLOW = 1 << 4,
    AJ_X_UNDEFINED = 1 << 5,
    AJ_X_NOT_FOUND = 1 << 6, /* TemplateNotFound */
    AJ_X_OTHER = 1 << 7,
    AJ_X_RAISED = 1 << 8,  /* raise_exception */
    AJ_X_SYNTAX = 1 << 9,  /* at compile time */
    AJ_X_LIMIT = 1 << 10,  /* ours: never caught */
    AJ_X_MEMORY = 1 << 11, /* ours: never caught */
    AJ_X_EXCEPTION = (1 << 9) - 1 - (1 << 8),
} aj_exc;

struct aj_vm {
    as_arena *arena;
    as_buf out; /* the text so far; above `mark`s, scratch for strings being built */
    as_error error;
    aj_exc exc;                        /* AJ_X_NONE unless a failure is under way */
    const as_jinja_template *template; /* being compiled or rendered: for messages */
    int line;
    int depth, max_depth;
    uint64_t steps, max_steps;
    const as_jinja_options *options;
    aj_context *context;
    aj_value globals;     /* dict */
    size_t capture;       /* number of captures under way */
    size_t capture_start; /* where the outermost one begins in out */
    as_buf spans;         /* of as_jinja_span */
    aj_value block_text;  /* what the filter of a block is applied to */
    aj_value raised;      /* the message of raise_exception */
    aj_dict *modules;     /* imported without context, by template name */
    const aj_dict
        *printing[64]; /* dicts whose repr is under way; deeper ones are told apart by depth alone */
    int printing_count;
    uint64_t random;
    bool folding; /* inside a constant expression, see fold.c */
};

/* --- errors and limits (vm.c) --- */
bool aj_fail(aj_vm *vm, aj_exc exc, const char *format, ...) AS_PRINTF(3, 4);
/* After a failure whose kind is in `mask`: forget it and cut the scratch text back to `out_size`. */
bool aj_catch(aj_vm *vm, int mask, size_t out_size);
bool aj_step(aj_vm *vm, uint64_t count);
bool aj_enter(aj_vm *vm); /* one level deeper; false (and no level) when too deep */
void aj_leave(aj_vm *vm);
void *aj_alloc(aj_vm *vm, size_t size); /* NULL after recording the failure */
void *aj_alloc_zero(aj_vm *vm, size_t count, size_t size);
#define AJ_NEW(vm, type)          ((type *)aj_alloc_zero((vm), 1, sizeof(type)))
#define AJ_NEW_ARRAY(vm, type, n) ((type *)aj_alloc_zero((vm), (size_t)(n), sizeof(type)))
#define AJ_TRY(call)                                                                                         \
    do {                                                                                                     \
        if (!(call)) return false;                                                                           \
    } while (0)
const char *aj_type_name(aj_value v); /* Python's */

/* --- construction (value.c) --- */
static inline aj_value aj_missing(void)
{
    return (aj_value){.kind = AJ_MISSING};
}
static inline aj_value aj_none(void)
{
    return (aj_value){.kind = AJ_NONE};
}
static inline aj_value aj_bool(bool truth)
{
    return (aj_value){.kind = AJ_BOOL, .truth = truth};
}
static inline aj_value aj_int(int64_t i)
{
    return (aj_value){.kind = AJ_INT, .i = i};
}
static inline aj_value aj_float(double f)
{
    return (aj_value){.kind = AJ_FLOAT, .f = f};
}
static inline aj_value aj_string(aj_str *str)
{
    return (aj_value){.kind = AJ_STR, .str = str};
}
static inline aj_value aj_list_value(aj_list *list)
{
    return (aj_value){.kind = AJ_LIST, .list = list};
}
static inline aj_value aj_tuple_value(aj_list *list)
{
    return (aj_value){.kind = AJ_TUPLE, .list = list};
}
static inline aj_value aj_dict_value(aj_dict *dict)
{
    return (aj_value){.kind = AJ_DICT, .dict = dict};
}
static inline bool aj_is_str(aj_value v)
{
    return v.kind == AJ_STR;
}
static inline bool aj_is_markup(aj_value v)
{
    return v.kind == AJ_STR && v.str->markup;
}
static inline bool aj_is_int(aj_value v) /* bool counts, as in Python */
{
    return v.kind == AJ_INT || v.kind == AJ_BIG || v.kind == AJ_BOOL;
}
static inline bool aj_is_number(aj_value v)
{
    return aj_is_int(v) || v.kind == AJ_FLOAT;
}
static inline bool aj_given(aj_value v)
{
    return v.kind != AJ_MISSING;
}

bool aj_str_copy(aj_vm *vm, const char *data, size_t size, aj_value *out);
bool aj_str_ref(aj_vm *vm, const char *data, size_t size, aj_value *out); /* the bytes must stay */
bool aj_str_literal(aj_vm *vm, const char *text, aj_value *out);
bool aj_str_markup(aj_vm *vm, aj_value str, bool markup, aj_value *out); /* the same text, marked or not */
/* A string from the scratch text since `mark`, which is cut off. */
bool aj_str_cut(aj_vm *vm, size_t mark, aj_value *out);
static inline size_t aj_mark(const aj_vm *vm)
{
    return vm->out.size;
}
bool aj_str_is(aj_value v, const char *text);
int64_t aj_str_length(const aj_str *str);
bool aj_str_ascii(const aj_str *str);
size_t aj_str_offset(const aj_str *str, int64_t index); /* byte where codepoint `index` begins */
uint64_t aj_str_hash(const aj_str *str);
void aj_str_settle(aj_str *str); /* fills the lazy fields, so that threads may share the string */

bool aj_list_new(aj_vm *vm, int64_t room, aj_list **out);
bool aj_list_add(aj_vm *vm, aj_list *list, aj_value item);
bool aj_tuple2(aj_vm *vm, aj_value a, aj_value b, aj_value *out);

bool aj_dict_new(aj_vm *vm, aj_dict **out);
bool aj_dict_set(aj_vm *vm, aj_dict *dict, aj_value key, aj_value value);
bool aj_dict_set_text(aj_vm *vm, aj_dict *dict, const char *key, aj_value value);
/* *found NULL when absent; fails on an unhashable key. */
bool aj_dict_find(aj_vm *vm, const aj_dict *dict, aj_value key, aj_value **found);
aj_value *aj_dict_find_str(const aj_dict *dict, const aj_str *key);
aj_value *aj_dict_find_text(const aj_dict *dict, const char *key);

bool aj_undefined_name(aj_vm *vm, aj_str *name, aj_value *out);
bool aj_undefined_item(aj_vm *vm, aj_value owner, aj_value name, aj_value *out);
bool aj_undefined_hint(aj_vm *vm, const char *hint, aj_value *out);
bool aj_undefined_unsafe(aj_vm *vm, aj_value owner, const aj_str *name, aj_value *out);
bool aj_fail_undefined(aj_vm *vm, aj_value undefined); /* raises what using it raises */

bool aj_from_json(aj_vm *vm, const json_t *json, aj_value *out);

/* --- arithmetic and comparison (ops.c, number.c, big.c) --- */
typedef enum { AJ_ADD, AJ_SUB, AJ_MUL, AJ_DIV, AJ_FLOORDIV, AJ_MOD, AJ_POW } aj_binop;
typedef enum { AJ_EQ, AJ_NE, AJ_LT, AJ_LE, AJ_GT, AJ_GE, AJ_IN, AJ_NOT_IN } aj_cmp;

bool aj_truth(aj_value v);
bool aj_equal(aj_vm *vm, aj_value a, aj_value b, bool *out);
bool aj_compare(aj_vm *vm, aj_cmp op, aj_value a, aj_value b, bool *out);
bool aj_contains(aj_vm *vm, aj_value container, aj_value item, bool *out);
bool aj_hash(aj_vm *vm, aj_value v, uint64_t *out);
bool aj_binary(aj_vm *vm, aj_binop op, aj_value a, aj_value b, aj_value *out);
bool aj_negate(aj_vm *vm, aj_value v, aj_value *out);
bool aj_positive(aj_vm *vm, aj_value v, aj_value *out);
bool aj_length(aj_vm *vm, aj_value v, int64_t *out); /* len() */
bool aj_has_length(aj_value v);
bool aj_repeat_str(aj_vm *vm, const aj_str *str, int64_t count, aj_value *out);
/* Sorts by keys (stable, Python's order and errors); `items` follow their keys. */
bool aj_sort(aj_vm *vm, aj_value *keys, aj_value *items, int64_t count, bool reverse);

bool aj_number_binary(aj_vm *vm, aj_binop op, aj_value a, aj_value b, aj_value *out);
int aj_number_order(aj_value a, aj_value b); /* -1, 0, 1; 2 when a nan is among them */
bool aj_number_hash(aj_value v, uint64_t *out);
bool aj_to_double(aj_vm *vm, aj_value v, double *out);   /* OverflowError for huge ints */
bool aj_from_double(aj_vm *vm, double f, aj_value *out); /* int(f) */
bool aj_to_index(aj_vm *vm, aj_value v, int64_t *out);   /* __index__; huge ints are clamped */
bool aj_parse_int(aj_vm *vm, const char *text, size_t size, int base, aj_value *out); /* ValueError */
bool aj_parse_float(aj_vm *vm, const char *text, size_t size, double *out);           /* ValueError */
bool aj_int_text(aj_vm *vm, aj_value v, int base); /* appends digits to out */
bool aj_round(aj_vm *vm, aj_value v, aj_value digits, aj_value *out);

/* --- iteration (iter.c) --- */
bool aj_iter_of(aj_vm *vm, aj_value v, aj_iter **out); /* iter(); TypeError */
bool aj_iterable(aj_value v);
int aj_iter_next(aj_vm *vm, aj_iter *iter, aj_value *out);
bool aj_iter_make(aj_vm *vm, aj_next *next, const char *type, aj_value source, void *state, aj_value *out);
bool aj_collect(aj_vm *vm, aj_value v, aj_list **out); /* list(v): always a fresh list */
bool aj_reversed(aj_vm *vm, aj_value v, aj_value *out);
bool aj_unpack_pair(aj_vm *vm, aj_value pair, aj_value *a, aj_value *b);
bool aj_dict_from(aj_vm *vm, aj_value source, aj_dict *into); /* dict(source) */

/* --- text of values (repr.c, tojson.c, pprint.c) --- */
bool aj_put_str(aj_vm *vm, aj_value v);               /* append str(v) */
bool aj_put_repr(aj_vm *vm, aj_value v);              /* append repr(v) */
bool aj_to_str(aj_vm *vm, aj_value v, aj_value *out); /* soft_str: keeps Markup */
bool aj_put_escaped(aj_vm *vm, aj_value v);           /* append escape(v) */
bool aj_escape(aj_vm *vm, aj_value v, aj_value *out); /* markupsafe.escape */
void aj_put_escaped_bytes(aj_vm *vm, const char *data, size_t size);
bool aj_put(aj_vm *vm, const char *data, size_t size);
bool aj_put_text(aj_vm *vm, const char *text);
typedef struct aj_json_style {
    bool ascii, sort;
    aj_value indent, separators; /* AJ_NONE: json.dumps's defaults */
} aj_json_style;
bool aj_put_json(aj_vm *vm, aj_value v, const aj_json_style *style);
bool aj_put_pretty(aj_vm *vm, aj_value v);

/* --- formatting (percent.c, strformat.c) --- */
bool aj_percent(aj_vm *vm, aj_str *format, aj_value arguments, aj_value *out);
bool aj_str_format(aj_vm *vm, aj_str *format, const aj_value *pos, int64_t count, aj_value mapping,
                   aj_value *out);
bool aj_put_float(aj_vm *vm, double f, char type, int precision, bool alternate); /* magnitude only */
bool aj_put_short_float(aj_vm *vm, double f, int precision);                      /* format(f, ".3") */
bool aj_to_ascii(aj_vm *vm, const aj_str *s, aj_value *out);

/* --- attributes and subscripts (attr.c) --- */
bool aj_getattr(aj_vm *vm, aj_value v, aj_str *name, aj_value *out);   /* environment.getattr */
bool aj_getitem(aj_vm *vm, aj_value v, aj_value key, aj_value *out);   /* environment.getitem */
bool aj_subscript(aj_vm *vm, aj_value v, aj_value key, aj_value *out); /* v[key]; raises */
/* getattr(v, name): *found false when Python would raise AttributeError; *safe what the sandbox allows. */
bool aj_attribute(aj_vm *vm, aj_value v, const aj_str *name, bool *found, bool *safe, aj_value *out);

/* --- calls (call.c) --- */
typedef struct aj_args {
    aj_value *pos;
    int64_t count;
    aj_dict *kw; /* NULL when there are none */
} aj_args;

typedef bool aj_fn(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out);

/* A builtin. params names the parameters after self; "/" in front: they cannot be given by name; "*": the
 * function takes its arguments as they come. The first `required` must be given. Otherwise the function gets
 * one value per parameter, AJ_MISSING where none was given. */
typedef struct aj_builtin {
    const char *name;
    const char *params;
    int required;
    aj_fn *fn;
} aj_builtin;

struct aj_func {
    const aj_builtin *builtin;
    aj_value self;
};

const aj_builtin *aj_builtin_find(const aj_builtin *table, const char *name, size_t size);
bool aj_call_builtin(aj_vm *vm, const aj_builtin *builtin, aj_value self, const aj_args *args, aj_value *out);
bool aj_call(aj_vm *vm, aj_value callee, const aj_args *args, aj_value *out);
bool aj_bind_method(aj_vm *vm, const aj_builtin *builtin, aj_value self, aj_value *out);

/* Tables end with a NULL name. */
extern const aj_builtin aj_filters_text[], aj_filters_markup[], aj_filters_seq[], aj_filters_select[],
    aj_filters_number[], aj_tests[], aj_globals[];
extern const aj_builtin aj_str_methods[], aj_str_case_methods[], aj_list_methods[], aj_tuple_methods[],
    aj_dict_methods[], aj_range_methods[], aj_int_methods[], aj_float_methods[], aj_loop_methods[],
    aj_cycler_methods[], aj_dict_type_methods[], aj_view_methods[];
extern const aj_builtin aj_filter_tojson_chat, aj_filter_tojson_html;

const aj_builtin *aj_filter_find(as_jinja_dialect dialect, const char *name, size_t size);
const aj_builtin *aj_test_find(const char *name, size_t size);
/* x|name(...) and "x is name(...)": what `call_filter` and `call_test` of the environment do. */
bool aj_apply_named(aj_vm *vm, bool filter, aj_value name, aj_value v, const aj_args *args, aj_value *out);

/* --- strings (text.c, unicode.c) --- */
bool aj_space(uint32_t c); /* str.isspace and \s */
bool aj_word(uint32_t c);  /* \w */
bool aj_alpha(uint32_t c);
bool aj_decimal(uint32_t c);
bool aj_digit(uint32_t c);
bool aj_numeric(uint32_t c);
bool aj_lower(uint32_t c);
bool aj_upper(uint32_t c);
bool aj_title(uint32_t c);
bool aj_printable(uint32_t c);
bool aj_identifier_start(uint32_t c);
bool aj_identifier_part(uint32_t c);
int aj_decimal_value(uint32_t c);                                      /* -1: none */
bool aj_put_lower(aj_vm *vm, const aj_str *s, size_t from, size_t to); /* append the bytes, lowered */
bool aj_put_upper(aj_vm *vm, const char *data, size_t size);
bool aj_put_title_char(aj_vm *vm, uint32_t c);
bool aj_put_folded(aj_vm *vm, uint32_t c);
bool aj_put_codepoint(aj_vm *vm, uint32_t c);
/* The next codepoint of a valid string; *at moves on. */
uint32_t aj_next_codepoint(const char *data, size_t size, size_t *at);
uint32_t aj_previous_codepoint(const char *data, size_t *at);
/* Trims whitespace, or the characters of `chars` if that is not NULL; left and right by flags 1 and 2. */
bool aj_trim(aj_vm *vm, const aj_str *s, const aj_str *chars, int sides, aj_value *out);
bool aj_replace(aj_vm *vm, const aj_str *s, const aj_str *old, const aj_str *with, int64_t count,
                aj_value *out);
bool aj_split(aj_vm *vm, const aj_str *s, const aj_str *separator, int64_t limit, aj_list **out);
bool aj_split_lines(aj_vm *vm, const aj_str *s, bool keep_ends, aj_list **out);
bool aj_substring(aj_vm *vm, const aj_str *s, size_t from, size_t to,
                  aj_value *out);                      /* bytes; keeps Markup */
bool aj_lowered(aj_vm *vm, aj_value v, aj_value *out); /* ignore_case */
int64_t aj_find_bytes(const char *data, size_t size, const char *what, size_t what_size); /* -1: none */

/* --- longer filters with files of their own --- */
aj_fn aj_filter_wordwrap, aj_filter_urlize;
bool aj_strip_tags(aj_vm *vm, const aj_str *s, aj_value *out);
bool aj_put_unescaped(aj_vm *vm, const aj_str *s); /* html.unescape */

/* --- what the evaluator lends to the rest (eval.c, macro.c, loop.c, module.c) --- */
bool aj_macro_call(aj_vm *vm, aj_macro *macro, const aj_args *args, bool autoescape, aj_value *out);
bool aj_macro_attribute(aj_vm *vm, aj_macro *macro, const aj_str *name, bool *found, aj_value *out);
bool aj_macro_repr(aj_vm *vm, aj_macro *macro);
bool aj_loop_call(aj_vm *vm, aj_loop *loop, const aj_args *args, aj_value *out);
bool aj_loop_attribute(aj_vm *vm, aj_loop *loop, const aj_str *name, bool *found, aj_value *out);
bool aj_loop_repr(aj_vm *vm, aj_loop *loop);
int aj_loop_step(aj_vm *vm, aj_loop *loop, aj_value *item); /* 1 and the next item, 0, -1 */
bool aj_loop_length(aj_vm *vm, aj_loop *loop, int64_t *out);
bool aj_helper_attribute(aj_vm *vm, aj_value v, const aj_str *name, bool *found, aj_value *out);
bool aj_joiner_call(aj_vm *vm, aj_joiner *joiner, const aj_args *args, aj_value *out);
bool aj_module_attribute(aj_vm *vm, aj_module *module, const aj_str *name, bool *found, aj_value *out);
bool aj_module_put(aj_vm *vm, aj_module *module);
bool aj_self_item(aj_vm *vm, aj_context *context, aj_value name, aj_value *out);
bool aj_blockref_call(aj_vm *vm, aj_blockref *ref, const aj_args *args, aj_value *out);
bool aj_blockref_attribute(aj_vm *vm, aj_blockref *ref, const aj_str *name, bool *found, aj_value *out);
bool aj_autoescape(const aj_vm *vm); /* the evaluation context's, at run time */
bool aj_namespace_set(aj_vm *vm, aj_dict *space, aj_value name, aj_value value);

#endif
