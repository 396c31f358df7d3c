/* A rendering under way: functions that run, contexts, macros, loops. Internal to base/jinja. */
#ifndef AS_BASE_JINJA_RUN_H
#define AS_BASE_JINJA_RUN_H

#include "base/jinja/ast.h"

typedef struct as_jinja_eval_context {
    bool autoescape;
} as_jinja_eval_context;

/* The implementations of one block, the most derived first. */
typedef struct as_jinja_block_stack {
    as_jinja_str *name;
    const as_jinja_block **at;
    int count, room;
} as_jinja_block_stack;

/* jinja2's Context. */
struct as_jinja_context {
    const as_jinja_template *template;
    as_jinja_dict *parent;   /* variables given, globals */
    as_jinja_dict *vars;     /* what the template's top level has set */
    as_jinja_dict *exported; /* names of vars that an import sees */
    as_jinja_eval_context *eval;
    as_jinja_block_stack *blocks;
    int block_count, block_room;
};

/* One run of a function. */
typedef struct as_jinja_run {
    struct as_jinja_run *outer; /* of the function around it, as closures see it */
    const as_jinja_unit *unit;
    as_jinja_context *context;
    const as_jinja_template *parent_template; /* of a root: what it extends */
    as_jinja_value slots[];
} as_jinja_run;

struct as_jinja_macro {
    const as_jinja_unit *unit;
    as_jinja_run *outer;
    bool autoescape; /* where it was defined */
};

struct as_jinja_loop {
    as_jinja_value iterable;
    as_jinja_iter *iter;
    int64_t index0, length; /* length -1: not known yet */
    int64_t depth0;
    as_jinja_value after, current, before, changed; /* AS_JINJA_MISSING: none */
    const as_jinja_node *node;                      /* of a recursive loop; NULL otherwise */
    as_jinja_run *outer;                            /* where the recursive loop is written */
};

struct as_jinja_cycler {
    as_jinja_list *items;
    int64_t at;
};

struct as_jinja_joiner {
    as_jinja_value separator;
    bool used;
};

struct as_jinja_module {
    const as_jinja_template *template;
    as_jinja_value body; /* a string */
    as_jinja_dict *exported;
};

struct as_jinja_blockref {
    as_jinja_context *context;
    const as_jinja_block_stack *stack;
    int depth;
};

typedef enum {
    AS_JINJA_FLOW_ERROR,
    AS_JINJA_FLOW_NEXT,
    AS_JINJA_FLOW_BREAK,
    AS_JINJA_FLOW_CONTINUE
} as_jinja_flow;

/* Constant expressions (fold.c). */
bool as_jinja_fold_finds(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, bool any,
                         as_jinja_value *out, bool *found);
bool as_jinja_fold_marks(const as_jinja_node *node); /* made of constants? Its children are marked already. */

bool as_jinja_eval_plain(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out);
bool as_jinja_eval(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out);
as_jinja_flow as_jinja_exec(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_nodes *nodes);
as_jinja_flow as_jinja_exec_for(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node);
bool as_jinja_eval_args(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value caller,
                        as_jinja_args *args);
bool as_jinja_eval_call(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value caller,
                        as_jinja_value *out);
/* x|filter with x already computed. */
bool as_jinja_eval_filter_on(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value x,
                             as_jinja_value *out);

as_jinja_value *as_jinja_slot(as_jinja_run *run, as_jinja_ref ref);
bool as_jinja_load_slot(as_jinja_vm *vm, as_jinja_run *run, as_jinja_ref ref, as_jinja_str *name,
                        as_jinja_value *out);
bool as_jinja_assign(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *target, as_jinja_value value);
bool as_jinja_enter_frame(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_frame *frame);
void as_jinja_leave_frame(as_jinja_run *run, const as_jinja_frame *frame);
bool as_jinja_run_new(as_jinja_vm *vm, const as_jinja_unit *unit, as_jinja_run *outer,
                      as_jinja_context *context, as_jinja_run **out);
const as_jinja_run *as_jinja_root_run(const as_jinja_run *run);
bool as_jinja_escapes(const as_jinja_run *run, uint8_t escaping);

/* Text written between begin and end is taken out of the output and becomes a string. */
size_t as_jinja_capture_begin(as_jinja_vm *vm);
bool as_jinja_capture_end(as_jinja_vm *vm, size_t mark, bool markup, as_jinja_value *out);
void as_jinja_capture_drop(as_jinja_vm *vm, size_t mark); /* after break, continue or an error */

bool as_jinja_macro_make(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_unit *unit, as_jinja_value *out);

bool as_jinja_context_new(as_jinja_vm *vm, const as_jinja_template *template, as_jinja_dict *parent,
                          as_jinja_context **out);
bool as_jinja_context_resolve(const as_jinja_context *context, const as_jinja_str *name,
                              as_jinja_value *out); /* false: missing */
bool as_jinja_context_set(as_jinja_vm *vm, as_jinja_context *context, as_jinja_str *name,
                          as_jinja_value value, bool exported);
as_jinja_block_stack *as_jinja_context_blocks(const as_jinja_context *context, const as_jinja_str *name);
bool as_jinja_context_add_blocks(as_jinja_vm *vm, as_jinja_context *context,
                                 const as_jinja_template *template);
bool as_jinja_run_root(as_jinja_vm *vm, const as_jinja_template *template, as_jinja_context *context);
bool as_jinja_run_block(as_jinja_vm *vm, as_jinja_context *context, const as_jinja_block_stack *stack,
                        int depth);

bool as_jinja_exec_include(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node);
bool as_jinja_exec_import(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node);
bool as_jinja_exec_from_import(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node);
bool as_jinja_exec_extends(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node);
bool as_jinja_exec_block(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node);

#endif
