/* Values of the interpreter and the machine that holds them. Internal to base/jinja; its names begin with
 * as_jinja_.
 *
 * Values are Python's: each kind below behaves as the Python type named beside it. They live in the arena of
 * one rendering (constants: of the template) and are never freed one by one.
 *
 * A fallible function returns false after as_jinja_fail recorded the error in the machine, and true
 * otherwise. */
#ifndef AS_BASE_JINJA_VALUE_H
#define AS_BASE_JINJA_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/jinja/jinja.h"

typedef enum as_jinja_kind {
    AS_JINJA_MISSING,   /* no value: an argument not given, a variable not set */
    AS_JINJA_UNBOUND,   /* a slot that was never written: reading it is an error, as in the code jinja2
                           generates */
    AS_JINJA_UNDEFINED, /* jinja2.Undefined */
    AS_JINJA_NONE,
    AS_JINJA_BOOL,
    AS_JINJA_INT, /* int that fits 64 bits */
    AS_JINJA_BIG, /* int that does not */
    AS_JINJA_FLOAT,
    AS_JINJA_STR, /* str and markupsafe.Markup */
    AS_JINJA_LIST,
    AS_JINJA_TUPLE,
    AS_JINJA_DICT,
    AS_JINJA_RANGE,
    AS_JINJA_VIEW, /* dict_keys, dict_values, dict_items */
    AS_JINJA_ITER, /* generators and other iterators */
    AS_JINJA_FUNC, /* builtin functions and methods bound to a value */
    AS_JINJA_MACRO,
    AS_JINJA_NAMESPACE,
    AS_JINJA_LOOP,
    AS_JINJA_CYCLER,
    AS_JINJA_JOINER,
    AS_JINJA_MODULE,   /* an imported template */
    AS_JINJA_SELF,     /* `self`: the blocks of a template */
    AS_JINJA_BLOCKREF, /* self.name and super */
    AS_JINJA_SLICE,    /* a:b:c inside a subscript */
    AS_JINJA_DICTTYPE, /* the global `dict` */
} as_jinja_kind;

typedef struct as_jinja_str {
    const char *data; /* UTF-8, not terminated */
    size_t size;
    int64_t length; /* codepoints; -1 while unknown */
    uint64_t hash;  /* 0 while unknown */
    bool markup;
} as_jinja_str;

typedef struct as_jinja_big as_jinja_big;
typedef struct as_jinja_list as_jinja_list;
typedef struct as_jinja_dict as_jinja_dict;
typedef struct as_jinja_iter as_jinja_iter;
typedef struct as_jinja_func as_jinja_func;
typedef struct as_jinja_undef as_jinja_undef;
typedef struct as_jinja_range as_jinja_range;
typedef struct as_jinja_view as_jinja_view;
typedef struct as_jinja_macro as_jinja_macro;
typedef struct as_jinja_loop as_jinja_loop;
typedef struct as_jinja_cycler as_jinja_cycler;
typedef struct as_jinja_joiner as_jinja_joiner;
typedef struct as_jinja_module as_jinja_module;
typedef struct as_jinja_blockref as_jinja_blockref;
typedef struct as_jinja_slice as_jinja_slice;
typedef struct as_jinja_context as_jinja_context;
typedef struct as_jinja_vm as_jinja_vm;

typedef struct as_jinja_value {
    as_jinja_kind kind;
    union {
        bool truth;
        int64_t i;
        double f;
        const as_jinja_big *big;
        as_jinja_str *str;
        as_jinja_list *list; /* also of a tuple */
        as_jinja_dict *dict; /* also of a namespace */
        as_jinja_range *range;
        as_jinja_view *view;
        as_jinja_iter *iter;
        as_jinja_func *func;
        as_jinja_undef *undef;
        as_jinja_macro *macro;
        as_jinja_loop *loop;
        as_jinja_cycler *cycler;
        as_jinja_joiner *joiner;
        as_jinja_module *module;
        as_jinja_context *context; /* of AS_JINJA_SELF */
        as_jinja_blockref *blockref;
        as_jinja_slice *slice;
        const void *identity;
    };
} as_jinja_value;

struct as_jinja_list {
    as_jinja_value *items;
    int64_t count, room;
    bool group; /* a tuple with the attributes grouper and list */
};

/* Insertion order; keys by Python's equality (1 == 1.0 == True). Never shrinks. */
typedef struct as_jinja_entry {
    uint64_t hash;
    as_jinja_value key, value;
} as_jinja_entry;

struct as_jinja_dict {
    as_jinja_entry *entries;
    int64_t count, room;
    uint32_t *index; /* entry number + 1 by hash; NULL while small */
    uint64_t mask;
};

struct as_jinja_range {
    int64_t start, stop, step, length;
};

typedef enum { AS_JINJA_KEYS, AS_JINJA_VALUES, AS_JINJA_ITEMS } as_jinja_view_kind;
struct as_jinja_view {
    as_jinja_dict *dict;
    as_jinja_view_kind kind;
};

/* An iterator: next gives 1 and a value, 0 at the end, -1 on error. */
typedef int as_jinja_next(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out);
struct as_jinja_iter {
    as_jinja_next *next;
    const char *type; /* Python's name of it: generator, list_reverseiterator, ... */
    as_jinja_value source;
    int64_t at, stop, step;
    void *state;
    bool done, running;
};

struct as_jinja_undef {
    const char *hint;     /* the whole message; NULL: made from name and owner */
    as_jinja_value name;  /* AS_JINJA_MISSING, a string or another subscript */
    as_jinja_value owner; /* AS_JINJA_MISSING: a variable */
    bool unsafe;          /* what the sandbox refuses */
};

struct as_jinja_slice {
    as_jinja_value start, stop, step; /* AS_JINJA_NONE when absent */
};

/* Kinds of Python exception, as far as jinja2 tells them apart when it catches one. */
typedef enum as_jinja_exc {
    AS_JINJA_X_NONE = 0,
    AS_JINJA_X_TYPE = 1 << 0,
    AS_JINJA_X_VALUE = 1 << 1,
    AS_JINJA_X_LOOKUP = 1 << 2,
    AS_JINJA_X_ATTRIBUTE = 1 << 3,
    AS_JINJA_X_OVERFLOW = 1 << 4,
    AS_JINJA_X_UNDEFINED = 1 << 5,
    AS_JINJA_X_NOT_FOUND = 1 << 6, /* TemplateNotFound */
    AS_JINJA_X_OTHER = 1 << 7,
    AS_JINJA_X_RAISED = 1 << 8,  /* raise_exception */
    AS_JINJA_X_SYNTAX = 1 << 9,  /* at compile time */
    AS_JINJA_X_LIMIT = 1 << 10,  /* ours: never caught */
    AS_JINJA_X_MEMORY = 1 << 11, /* ours: never caught */
    AS_JINJA_X_EXCEPTION = (1 << 9) - 1 - (1 << 8),
} as_jinja_exc;

struct as_jinja_vm {
    as_arena *arena;
    as_buf out; /* the text so far; above `mark`s, scratch for strings being built */
    as_error error;
    as_jinja_exc exc;                  /* AS_JINJA_X_NONE unless a failure is under way */
    const as_jinja_template *template; /* being compiled or rendered: for messages */
    int line;
    int depth, max_depth;
    uint64_t steps, max_steps;
    const as_jinja_options *options;
    as_jinja_context *context;
    as_jinja_value globals;    /* dict */
    size_t capture;            /* number of captures under way */
    size_t capture_start;      /* where the outermost one begins in out */
    as_buf spans;              /* of as_jinja_span */
    as_jinja_value block_text; /* what the filter of a block is applied to */
    as_jinja_value raised;     /* the message of raise_exception */
    as_jinja_dict *modules;    /* imported without context, by template name */
    const as_jinja_dict
        *printing[64]; /* dicts whose repr is under way; deeper ones are told apart by depth alone */
    int printing_count;
    uint64_t random;
    bool folding; /* inside a constant expression, see fold.c */
};

/* --- errors and limits (vm.c) --- */
bool as_jinja_fail(as_jinja_vm *vm, as_jinja_exc exc, const char *format, ...) AS_PRINTF(3, 4);
/* After a failure whose kind is in `mask`: forget it and cut the scratch text back to `out_size`. */
bool as_jinja_catch(as_jinja_vm *vm, int mask, size_t out_size);
bool as_jinja_step(as_jinja_vm *vm, uint64_t count);
bool as_jinja_enter(as_jinja_vm *vm); /* one level deeper; false (and no level) when too deep */
void as_jinja_leave(as_jinja_vm *vm);
void *as_jinja_alloc(as_jinja_vm *vm, size_t size); /* NULL after recording the failure */
void *as_jinja_alloc_zero(as_jinja_vm *vm, size_t count, size_t size);
#define AS_JINJA_NEW(vm, type)          ((type *)as_jinja_alloc_zero((vm), 1, sizeof(type)))
#define AS_JINJA_NEW_ARRAY(vm, type, n) ((type *)as_jinja_alloc_zero((vm), (size_t)(n), sizeof(type)))
#define AS_JINJA_TRY(call)                                                                                   \
    do {                                                                                                     \
        if (!(call)) return false;                                                                           \
    } while (0)
const char *as_jinja_type_name(as_jinja_value v); /* Python's */

/* --- construction (value.c) --- */
static inline as_jinja_value as_jinja_missing(void)
{
    return (as_jinja_value){.kind = AS_JINJA_MISSING};
}
static inline as_jinja_value as_jinja_none(void)
{
    return (as_jinja_value){.kind = AS_JINJA_NONE};
}
static inline as_jinja_value as_jinja_bool(bool truth)
{
    return (as_jinja_value){.kind = AS_JINJA_BOOL, .truth = truth};
}
static inline as_jinja_value as_jinja_int(int64_t i)
{
    return (as_jinja_value){.kind = AS_JINJA_INT, .i = i};
}
static inline as_jinja_value as_jinja_float(double f)
{
    return (as_jinja_value){.kind = AS_JINJA_FLOAT, .f = f};
}
static inline as_jinja_value as_jinja_string(as_jinja_str *str)
{
    return (as_jinja_value){.kind = AS_JINJA_STR, .str = str};
}
static inline as_jinja_value as_jinja_list_value(as_jinja_list *list)
{
    return (as_jinja_value){.kind = AS_JINJA_LIST, .list = list};
}
static inline as_jinja_value as_jinja_tuple_value(as_jinja_list *list)
{
    return (as_jinja_value){.kind = AS_JINJA_TUPLE, .list = list};
}
static inline as_jinja_value as_jinja_dict_value(as_jinja_dict *dict)
{
    return (as_jinja_value){.kind = AS_JINJA_DICT, .dict = dict};
}
static inline bool as_jinja_is_str(as_jinja_value v)
{
    return v.kind == AS_JINJA_STR;
}
static inline bool as_jinja_is_markup(as_jinja_value v)
{
    return v.kind == AS_JINJA_STR && v.str->markup;
}
static inline bool as_jinja_is_int(as_jinja_value v) /* bool counts, as in Python */
{
    return v.kind == AS_JINJA_INT || v.kind == AS_JINJA_BIG || v.kind == AS_JINJA_BOOL;
}
static inline bool as_jinja_is_number(as_jinja_value v)
{
    return as_jinja_is_int(v) || v.kind == AS_JINJA_FLOAT;
}
static inline bool as_jinja_given(as_jinja_value v)
{
    return v.kind != AS_JINJA_MISSING;
}

bool as_jinja_str_copy(as_jinja_vm *vm, const char *data, size_t size, as_jinja_value *out);
bool as_jinja_str_ref(as_jinja_vm *vm, const char *data, size_t size,
                      as_jinja_value *out); /* the bytes must stay */
bool as_jinja_str_literal(as_jinja_vm *vm, const char *text, as_jinja_value *out);
bool as_jinja_str_markup(as_jinja_vm *vm, as_jinja_value str, bool markup,
                         as_jinja_value *out); /* the same text, marked or not */
/* A string from the scratch text since `mark`, which is cut off. */
bool as_jinja_str_cut(as_jinja_vm *vm, size_t mark, as_jinja_value *out);
static inline size_t as_jinja_mark(const as_jinja_vm *vm)
{
    return vm->out.size;
}
bool as_jinja_str_is(as_jinja_value v, const char *text);
int64_t as_jinja_str_length(const as_jinja_str *str);
bool as_jinja_str_ascii(const as_jinja_str *str);
size_t as_jinja_str_offset(const as_jinja_str *str, int64_t index); /* byte where codepoint `index` begins */
uint64_t as_jinja_str_hash(const as_jinja_str *str);
void as_jinja_str_settle(as_jinja_str *str); /* fills the lazy fields, so that threads may share the string */

bool as_jinja_list_new(as_jinja_vm *vm, int64_t room, as_jinja_list **out);
bool as_jinja_list_add(as_jinja_vm *vm, as_jinja_list *list, as_jinja_value item);
bool as_jinja_tuple2(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, as_jinja_value *out);

bool as_jinja_dict_new(as_jinja_vm *vm, as_jinja_dict **out);
bool as_jinja_dict_set(as_jinja_vm *vm, as_jinja_dict *dict, as_jinja_value key, as_jinja_value value);
bool as_jinja_dict_set_text(as_jinja_vm *vm, as_jinja_dict *dict, const char *key, as_jinja_value value);
/* *found NULL when absent; fails on an unhashable key. */
bool as_jinja_dict_find(as_jinja_vm *vm, const as_jinja_dict *dict, as_jinja_value key,
                        as_jinja_value **found);
as_jinja_value *as_jinja_dict_find_str(const as_jinja_dict *dict, const as_jinja_str *key);
as_jinja_value *as_jinja_dict_find_text(const as_jinja_dict *dict, const char *key);

bool as_jinja_undefined_name(as_jinja_vm *vm, as_jinja_str *name, as_jinja_value *out);
bool as_jinja_undefined_item(as_jinja_vm *vm, as_jinja_value owner, as_jinja_value name, as_jinja_value *out);
bool as_jinja_undefined_hint(as_jinja_vm *vm, const char *hint, as_jinja_value *out);
bool as_jinja_undefined_unsafe(as_jinja_vm *vm, as_jinja_value owner, const as_jinja_str *name,
                               as_jinja_value *out);
bool as_jinja_fail_undefined(as_jinja_vm *vm, as_jinja_value undefined); /* raises what using it raises */

bool as_jinja_from_json(as_jinja_vm *vm, const json_t *json, as_jinja_value *out);

/* --- arithmetic and comparison (ops.c, number.c, big.c) --- */
typedef enum {
    AS_JINJA_ADD,
    AS_JINJA_SUB,
    AS_JINJA_MUL,
    AS_JINJA_DIV,
    AS_JINJA_FLOORDIV,
    AS_JINJA_MOD,
    AS_JINJA_POW
} as_jinja_binop;
typedef enum {
    AS_JINJA_EQ,
    AS_JINJA_NE,
    AS_JINJA_LT,
    AS_JINJA_LE,
    AS_JINJA_GT,
    AS_JINJA_GE,
    AS_JINJA_IN,
    AS_JINJA_NOT_IN
} as_jinja_cmp;

bool as_jinja_truth(as_jinja_value v);
bool as_jinja_equal(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, bool *out);
bool as_jinja_compare(as_jinja_vm *vm, as_jinja_cmp op, as_jinja_value a, as_jinja_value b, bool *out);
bool as_jinja_contains(as_jinja_vm *vm, as_jinja_value container, as_jinja_value item, bool *out);
bool as_jinja_hash(as_jinja_vm *vm, as_jinja_value v, uint64_t *out);
bool as_jinja_binary(as_jinja_vm *vm, as_jinja_binop op, as_jinja_value a, as_jinja_value b,
                     as_jinja_value *out);
bool as_jinja_negate(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out);
bool as_jinja_positive(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out);
bool as_jinja_length(as_jinja_vm *vm, as_jinja_value v, int64_t *out); /* len() */
bool as_jinja_has_length(as_jinja_value v);
bool as_jinja_repeat_str(as_jinja_vm *vm, const as_jinja_str *str, int64_t count, as_jinja_value *out);
/* Sorts by keys (stable, Python's order and errors); `items` follow their keys. */
bool as_jinja_sort(as_jinja_vm *vm, as_jinja_value *keys, as_jinja_value *items, int64_t count, bool reverse);

bool as_jinja_number_binary(as_jinja_vm *vm, as_jinja_binop op, as_jinja_value a, as_jinja_value b,
                            as_jinja_value *out);
int as_jinja_number_order(as_jinja_value a, as_jinja_value b); /* -1, 0, 1; 2 when a nan is among them */
bool as_jinja_number_hash(as_jinja_value v, uint64_t *out);
bool as_jinja_to_double(as_jinja_vm *vm, as_jinja_value v, double *out);   /* OverflowError for huge ints */
bool as_jinja_from_double(as_jinja_vm *vm, double f, as_jinja_value *out); /* int(f) */
bool as_jinja_to_index(as_jinja_vm *vm, as_jinja_value v,
                       int64_t *out); /* __index__; huge ints are clamped */
bool as_jinja_parse_int(as_jinja_vm *vm, const char *text, size_t size, int base,
                        as_jinja_value *out);                                           /* ValueError */
bool as_jinja_parse_float(as_jinja_vm *vm, const char *text, size_t size, double *out); /* ValueError */
bool as_jinja_int_text(as_jinja_vm *vm, as_jinja_value v, int base); /* appends digits to out */
bool as_jinja_round(as_jinja_vm *vm, as_jinja_value v, as_jinja_value digits, as_jinja_value *out);

/* --- iteration (iter.c) --- */
bool as_jinja_iter_of(as_jinja_vm *vm, as_jinja_value v, as_jinja_iter **out); /* iter(); TypeError */
bool as_jinja_iterable(as_jinja_value v);
int as_jinja_iter_next(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out);
bool as_jinja_iter_make(as_jinja_vm *vm, as_jinja_next *next, const char *type, as_jinja_value source,
                        void *state, as_jinja_value *out);
bool as_jinja_collect(as_jinja_vm *vm, as_jinja_value v,
                      as_jinja_list **out); /* list(v): always a fresh list */
bool as_jinja_reversed(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out);
bool as_jinja_unpack_pair(as_jinja_vm *vm, as_jinja_value pair, as_jinja_value *a, as_jinja_value *b);
bool as_jinja_dict_from(as_jinja_vm *vm, as_jinja_value source, as_jinja_dict *into); /* dict(source) */

/* --- text of values (repr.c, tojson.c, pprint.c) --- */
bool as_jinja_put_str(as_jinja_vm *vm, as_jinja_value v);                     /* append str(v) */
bool as_jinja_put_repr(as_jinja_vm *vm, as_jinja_value v);                    /* append repr(v) */
bool as_jinja_to_str(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out); /* soft_str: keeps Markup */
bool as_jinja_put_escaped(as_jinja_vm *vm, as_jinja_value v);                 /* append escape(v) */
bool as_jinja_escape(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out); /* markupsafe.escape */
void as_jinja_put_escaped_bytes(as_jinja_vm *vm, const char *data, size_t size);
bool as_jinja_put(as_jinja_vm *vm, const char *data, size_t size);
bool as_jinja_put_text(as_jinja_vm *vm, const char *text);
typedef struct as_jinja_json_style {
    bool ascii, sort;
    as_jinja_value indent, separators; /* AS_JINJA_NONE: json.dumps's defaults */
} as_jinja_json_style;
bool as_jinja_put_json(as_jinja_vm *vm, as_jinja_value v, const as_jinja_json_style *style);
bool as_jinja_put_pretty(as_jinja_vm *vm, as_jinja_value v);

/* --- formatting (percent.c, strformat.c) --- */
bool as_jinja_percent(as_jinja_vm *vm, as_jinja_str *format, as_jinja_value arguments, as_jinja_value *out);
bool as_jinja_str_format(as_jinja_vm *vm, as_jinja_str *format, const as_jinja_value *pos, int64_t count,
                         as_jinja_value mapping, as_jinja_value *out);
bool as_jinja_put_float(as_jinja_vm *vm, double f, char type, int precision,
                        bool alternate);                                 /* magnitude only */
bool as_jinja_put_short_float(as_jinja_vm *vm, double f, int precision); /* format(f, ".3") */
bool as_jinja_to_ascii(as_jinja_vm *vm, const as_jinja_str *s, as_jinja_value *out);

/* --- attributes and subscripts (attr.c) --- */
bool as_jinja_getattr(as_jinja_vm *vm, as_jinja_value v, as_jinja_str *name,
                      as_jinja_value *out); /* environment.getattr */
bool as_jinja_getitem(as_jinja_vm *vm, as_jinja_value v, as_jinja_value key,
                      as_jinja_value *out); /* environment.getitem */
bool as_jinja_subscript(as_jinja_vm *vm, as_jinja_value v, as_jinja_value key,
                        as_jinja_value *out); /* v[key]; raises */
/* getattr(v, name): *found false when Python would raise AttributeError; *safe what the sandbox allows. */
bool as_jinja_attribute(as_jinja_vm *vm, as_jinja_value v, const as_jinja_str *name, bool *found, bool *safe,
                        as_jinja_value *out);

/* --- calls (call.c) --- */
typedef struct as_jinja_args {
    as_jinja_value *pos;
    int64_t count;
    as_jinja_dict *kw; /* NULL when there are none */
} as_jinja_args;

typedef bool as_jinja_fn(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                         as_jinja_value *out);

/* A builtin. params names the parameters after self; "/" in front: they cannot be given by name; "*": the
 * function takes its arguments as they come. The first `required` must be given. Otherwise the function gets
 * one value per parameter, AS_JINJA_MISSING where none was given. */
typedef struct as_jinja_builtin {
    const char *name;
    const char *params;
    int required;
    as_jinja_fn *fn;
} as_jinja_builtin;

struct as_jinja_func {
    const as_jinja_builtin *builtin;
    as_jinja_value self;
};

const as_jinja_builtin *as_jinja_builtin_find(const as_jinja_builtin *table, const char *name, size_t size);
bool as_jinja_call_builtin(as_jinja_vm *vm, const as_jinja_builtin *builtin, as_jinja_value self,
                           const as_jinja_args *args, as_jinja_value *out);
bool as_jinja_call(as_jinja_vm *vm, as_jinja_value callee, const as_jinja_args *args, as_jinja_value *out);
bool as_jinja_bind_method(as_jinja_vm *vm, const as_jinja_builtin *builtin, as_jinja_value self,
                          as_jinja_value *out);

/* Tables end with a NULL name. */
extern const as_jinja_builtin as_jinja_filters_text[], as_jinja_filters_markup[], as_jinja_filters_seq[],
    as_jinja_filters_select[], as_jinja_filters_number[], as_jinja_tests[], as_jinja_globals[];
extern const as_jinja_builtin as_jinja_str_methods[], as_jinja_str_case_methods[], as_jinja_list_methods[],
    as_jinja_tuple_methods[], as_jinja_dict_methods[], as_jinja_range_methods[], as_jinja_int_methods[],
    as_jinja_float_methods[], as_jinja_loop_methods[], as_jinja_cycler_methods[],
    as_jinja_dict_type_methods[], as_jinja_view_methods[];
extern const as_jinja_builtin as_jinja_filter_tojson_chat, as_jinja_filter_tojson_html;

const as_jinja_builtin *as_jinja_filter_find(as_jinja_dialect dialect, const char *name, size_t size);
const as_jinja_builtin *as_jinja_test_find(const char *name, size_t size);
/* x|name(...) and "x is name(...)": what `call_filter` and `call_test` of the environment do. */
bool as_jinja_apply_named(as_jinja_vm *vm, bool filter, as_jinja_value name, as_jinja_value v,
                          const as_jinja_args *args, as_jinja_value *out);

/* --- strings (text.c, unicode.c) --- */
bool as_jinja_space(uint32_t c); /* str.isspace and \s */
bool as_jinja_word(uint32_t c);  /* \w */
bool as_jinja_alpha(uint32_t c);
bool as_jinja_decimal(uint32_t c);
bool as_jinja_digit(uint32_t c);
bool as_jinja_numeric(uint32_t c);
bool as_jinja_lower(uint32_t c);
bool as_jinja_upper(uint32_t c);
bool as_jinja_title(uint32_t c);
bool as_jinja_printable(uint32_t c);
bool as_jinja_identifier_start(uint32_t c);
bool as_jinja_identifier_part(uint32_t c);
int as_jinja_decimal_value(uint32_t c); /* -1: none */
bool as_jinja_put_lower(as_jinja_vm *vm, const as_jinja_str *s, size_t from,
                        size_t to); /* append the bytes, lowered */
bool as_jinja_put_upper(as_jinja_vm *vm, const char *data, size_t size);
bool as_jinja_put_title_char(as_jinja_vm *vm, uint32_t c);
bool as_jinja_put_folded(as_jinja_vm *vm, uint32_t c);
bool as_jinja_put_codepoint(as_jinja_vm *vm, uint32_t c);
/* The next codepoint of a valid string; *at moves on. */
uint32_t as_jinja_next_codepoint(const char *data, size_t size, size_t *at);
uint32_t as_jinja_previous_codepoint(const char *data, size_t *at);
/* Trims whitespace, or the characters of `chars` if that is not NULL; left and right by flags 1 and 2. */
bool as_jinja_trim(as_jinja_vm *vm, const as_jinja_str *s, const as_jinja_str *chars, int sides,
                   as_jinja_value *out);
bool as_jinja_replace(as_jinja_vm *vm, const as_jinja_str *s, const as_jinja_str *old,
                      const as_jinja_str *with, int64_t count, as_jinja_value *out);
bool as_jinja_split(as_jinja_vm *vm, const as_jinja_str *s, const as_jinja_str *separator, int64_t limit,
                    as_jinja_list **out);
bool as_jinja_split_lines(as_jinja_vm *vm, const as_jinja_str *s, bool keep_ends, as_jinja_list **out);
bool as_jinja_substring(as_jinja_vm *vm, const as_jinja_str *s, size_t from, size_t to,
                        as_jinja_value *out);                                  /* bytes; keeps Markup */
bool as_jinja_lowered(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out); /* ignore_case */
int64_t as_jinja_find_bytes(const char *data, size_t size, const char *what, size_t what_size); /* -1: none */

/* --- longer filters with files of their own --- */
as_jinja_fn as_jinja_filter_wordwrap, as_jinja_filter_urlize;
bool as_jinja_strip_tags(as_jinja_vm *vm, const as_jinja_str *s, as_jinja_value *out);
bool as_jinja_put_unescaped(as_jinja_vm *vm, const as_jinja_str *s); /* html.unescape */

/* --- what the evaluator lends to the rest (eval.c, macro.c, loop.c, module.c) --- */
bool as_jinja_macro_call(as_jinja_vm *vm, as_jinja_macro *macro, const as_jinja_args *args, bool autoescape,
                         as_jinja_value *out);
bool as_jinja_macro_attribute(as_jinja_vm *vm, as_jinja_macro *macro, const as_jinja_str *name, bool *found,
                              as_jinja_value *out);
bool as_jinja_macro_repr(as_jinja_vm *vm, as_jinja_macro *macro);
bool as_jinja_loop_call(as_jinja_vm *vm, as_jinja_loop *loop, const as_jinja_args *args, as_jinja_value *out);
bool as_jinja_loop_attribute(as_jinja_vm *vm, as_jinja_loop *loop, const as_jinja_str *name, bool *found,
                             as_jinja_value *out);
bool as_jinja_loop_repr(as_jinja_vm *vm, as_jinja_loop *loop);
int as_jinja_loop_step(as_jinja_vm *vm, as_jinja_loop *loop,
                       as_jinja_value *item); /* 1 and the next item, 0, -1 */
bool as_jinja_loop_length(as_jinja_vm *vm, as_jinja_loop *loop, int64_t *out);
bool as_jinja_helper_attribute(as_jinja_vm *vm, as_jinja_value v, const as_jinja_str *name, bool *found,
                               as_jinja_value *out);
bool as_jinja_joiner_call(as_jinja_vm *vm, as_jinja_joiner *joiner, const as_jinja_args *args,
                          as_jinja_value *out);
bool as_jinja_module_attribute(as_jinja_vm *vm, as_jinja_module *module, const as_jinja_str *name,
                               bool *found, as_jinja_value *out);
bool as_jinja_module_put(as_jinja_vm *vm, as_jinja_module *module);
bool as_jinja_self_item(as_jinja_vm *vm, as_jinja_context *context, as_jinja_value name, as_jinja_value *out);
bool as_jinja_blockref_call(as_jinja_vm *vm, as_jinja_blockref *ref, const as_jinja_args *args,
                            as_jinja_value *out);
bool as_jinja_blockref_attribute(as_jinja_vm *vm, as_jinja_blockref *ref, const as_jinja_str *name,
                                 bool *found, as_jinja_value *out);
bool as_jinja_autoescape(const as_jinja_vm *vm); /* the evaluation context's, at run time */
bool as_jinja_namespace_set(as_jinja_vm *vm, as_jinja_dict *space, as_jinja_value name, as_jinja_value value);

#endif
