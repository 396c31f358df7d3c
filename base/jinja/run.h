/* A rendering under way: functions that run, contexts, macros, loops. Internal to base/jinja. */
#ifndef AS_BASE_JINJA_RUN_H
#define AS_BASE_JINJA_RUN_H

#include "base/jinja/ast.h"

typedef struct aj_eval_context {
    bool autoescape;
} aj_eval_context;

/* The implementations of one block, the most derived first. */
typedef struct aj_block_stack {
    aj_str *name;
    const aj_block **at;
    int count, room;
} aj_block_stack;

/* jinja2's Context. */
struct aj_context {
    const as_jinja_template *template;
    aj_dict *parent;   /* variables given, globals */
    aj_dict *vars;     /* what the template's top level has set */
    aj_dict *exported; /* names of vars that an import sees */
    aj_eval_context *eval;
    aj_block_stack *blocks;
    int block_count, block_room;
};

/* One run of a function. */
typedef struct aj_run {
    struct aj_run *outer; /* of the function around it, as closures see it */
    const aj_unit *unit;
    aj_context *context;
    const as_jinja_template *parent_template; /* of a root: what it extends */
    aj_value slots[];
} aj_run;

struct aj_macro {
    const aj_unit *unit;
    aj_run *outer;
    bool autoescape; /* where it was defined */
};

struct aj_loop {
    aj_value iterable;
    aj_iter *iter;
    int64_t index0, length; /* length -1: not known yet */
    int64_t depth0;
    aj_value after, current, before, changed; /* AJ_MISSING: none */
    const aj_node *node;                      /* of a recursive loop; NULL otherwise */
    aj_run *outer;                            /* where the recursive loop is written */
};

struct aj_cycler {
    aj_list *items;
    int64_t at;
};

struct aj_joiner {
    aj_value separator;
    bool used;
};

struct aj_module {
    const as_jinja_template *template;
    aj_value body; /* a string */
    aj_dict *exported;
};

struct aj_blockref {
    aj_context *context;
    const aj_block_stack *stack;
    int depth;
};

typedef enum { AJ_FLOW_ERROR, AJ_FLOW_NEXT, AJ_FLOW_BREAK, AJ_FLOW_CONTINUE } aj_flow;

/* Constant expressions (fold.c). */
bool aj_fold_finds(aj_vm *vm, aj_run *run, const aj_node *node, bool any, aj_value *out, bool *found);
bool aj_fold_marks(const aj_node *node); /* made of constants? Its children are marked already. */

bool aj_eval_plain(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out);
bool aj_eval(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out);
aj_flow aj_exec(aj_vm *vm, aj_run *run, const aj_nodes *nodes);
aj_flow aj_exec_for(aj_vm *vm, aj_run *run, const aj_node *node);
bool aj_eval_args(aj_vm *vm, aj_run *run, const aj_node *node, aj_value caller, aj_args *args);
bool aj_eval_call(aj_vm *vm, aj_run *run, const aj_node *node, aj_value caller, aj_value *out);
/* x|filter with x already computed. */
bool aj_eval_filter_on(aj_vm *vm, aj_run *run, const aj_node *node, aj_value x, aj_value *out);

aj_value *aj_slot(aj_run *run, aj_ref ref);
bool aj_load_slot(aj_vm *vm, aj_run *run, aj_ref ref, aj_str *name, aj_value *out);
bool aj_assign(aj_vm *vm, aj_run *run, const aj_node *target, aj_value value);
bool aj_enter_frame(aj_vm *vm, aj_run *run, const aj_frame *frame);
void aj_leave_frame(aj_run *run, const aj_frame *frame);
bool aj_run_new(aj_vm *vm, const aj_unit *unit, aj_run *outer, aj_context *context, aj_run **out);
const aj_run *aj_root_run(const aj_run *run);
bool aj_escapes(const aj_run *run, uint8_t escaping);

/* Text written between begin and end is taken out of the output and becomes a string. */
size_t aj_capture_begin(aj_vm *vm);
bool aj_capture_end(aj_vm *vm, size_t mark, bool markup, aj_value *out);
void aj_capture_drop(aj_vm *vm, size_t mark); /* after break, continue or an error */

bool aj_macro_make(aj_vm *vm, aj_run *run, const aj_unit *unit, aj_value *out);

bool aj_context_new(aj_vm *vm, const as_jinja_template *template, aj_dict *parent, aj_context **out);
bool aj_context_resolve(const aj_context *context, const aj_str *name, aj_value *out); /* false: missing */
bool aj_context_set(aj_vm *vm, aj_context *context, aj_str *name, aj_value value, bool exported);
aj_block_stack *aj_context_blocks(const aj_context *context, const aj_str *name);
bool aj_context_add_blocks(aj_vm *vm, aj_context *context, const as_jinja_template *template);
bool aj_run_root(aj_vm *vm, const as_jinja_template *template, aj_context *context);
bool aj_run_block(aj_vm *vm, aj_context *context, const aj_block_stack *stack, int depth);

bool aj_exec_include(aj_vm *vm, aj_run *run, const aj_node *node);
bool aj_exec_import(aj_vm *vm, aj_run *run, const aj_node *node);
bool aj_exec_from_import(aj_vm *vm, aj_run *run, const aj_node *node);
bool aj_exec_extends(aj_vm *vm, aj_run *run, const aj_node *node);
bool aj_exec_block(aj_vm *vm, aj_run *run, const aj_node *node);

#endif
