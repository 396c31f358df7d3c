/* Shared by the files of the rules suite only: what is known about a repository, and how a rule answers.
 *
 * A rule is a function of the facts. It says one verdict; where another rule is the one to report a fault, it
 * skips and names that rule, so that one fault is one failure. */
#ifndef AS_SUITES_RULES_RULES_H
#define AS_SUITES_RULES_RULES_H

#include "base/arena.h"
#include "base/buf.h"
#include "suites/catalog.h"
#include "suites/suite.h"

/* Names of files of one kind. */
typedef struct as_file_list {
    const char **names; /* borrowed from the repository */
    int64_t count;
} as_file_list;

/* What is known before any rule is asked. */
typedef struct as_rule_facts {
    const as_repository *repo;
    const json_t *catalog, *profile;
    as_target *target; /* or NULL */
    as_arena arena;

    /* config.json */
    const json_t *config; /* NULL: absent or broken */
    json_t *dims;         /* NULL: dims_error says why */
    as_error dims_error;
    as_class_match match; /* model_class NULL: none */
    as_needs *own;        /* what config.json implies; NULL: own_error */
    as_needs *expected;   /* what the base of the class holds, at this model's depth; NULL: no class */
    as_error own_error;

    /* weights */
    bool is_gguf;           /* the repository is one GGUF file, by itself */
    bool is_unread_gguf;    /* and it cannot be read, so that what it holds is not known */
    bool *used;             /* for each weight file: it is one of the model's, not an adapter or a copy */
    json_t *weight_numbers; /* the number of each weight file by its name */
    int64_t used_count, broken_count;      /* broken: used, with a problem */
    as_file_list ggufs, pickles, adapters; /* adapters: files that belong to one */
    as_file_list training;                 /* pickles too, but a trainer's state and no weights */
    bool is_quantized;                     /* config.json or the tensors say so */
    int64_t parameters;                    /* -1: unknown */

    /* tokenizer: the number of ids, 0 where it is not known; tokenizer_error says why */
    const char *tokenizer; /* the file, a GGUF file where that holds one; NULL: none */
    int64_t tokenizer_ids;
    as_error tokenizer_error;
} as_rule_facts;

AS_MUST_USE as_code as_rule_facts_open(const as_suite_context *context, as_rule_facts *out, as_error *err);
void as_rule_facts_close(as_rule_facts *facts);

/* The number of the weight file of that name, or -1. */
int64_t as_rule_weight_number(const as_rule_facts *facts, const char *name);

/* One rule being answered. */
typedef struct as_rule_call {
    const as_rule_facts *facts;
    const json_t *parameters; /* of the rule in the profile; may be NULL */
    as_check *check;          /* verdict, measured, expected, unit and evidence are the rule's to set */
    as_buf *why;
} as_rule_call;

/* Sets the verdict and the sentence that decides it. */
void as_rule_say(as_rule_call *call, as_verdict verdict, const char *format, ...) AS_PRINTF(3, 4);
/* The ending of a noun: AS_PLURAL(1) is "". */
#define AS_PLURAL(n) ((n) == 1 ? "" : "s")
/* Adds to the evidence; takes the value over. */
void as_rule_show(as_rule_call *call, const char *key, json_t *value);
/* Lists of evidence end after some entries; the number of all is kept beside them. */
typedef struct as_rule_list {
    json_t *rows;
    int64_t count;
} as_rule_list;
enum { AS_RULE_ROWS = 50 };
void as_rule_list_add(as_rule_list *list, json_t *row); /* takes it over */
void as_rule_show_list(as_rule_call *call, const char *key, as_rule_list *list);
json_t *as_rule_shape(const int64_t *shape, int dims);
json_t *as_rule_files(const as_file_list *list);

/* True when the profile has a rule answered by this check. */
bool as_rule_in_profile(const as_rule_facts *facts, const char *check);
/* Skips, and returns true, when the weights cannot be judged tensor by tensor: there are none, or some cannot
 * be read, or they are quantized. Another rule has said so. */
bool as_rule_skip_without_weights(as_rule_call *call);
bool as_rule_skip_without_config(as_rule_call *call);
/* Skips, and returns true, when no class fits. */
bool as_rule_skip_without_class(as_rule_call *call);
const char *as_rule_class_name(const as_rule_facts *facts); /* "" for none */
/* True when the rule's parameter `key`, a list of texts, holds the text. */
bool as_rule_parameter_has(const as_rule_call *call, const char *key, const char *text);

typedef void as_rule_function(as_rule_call *call);

/* One per rule; the table in rules.c names them. */
as_rule_function as_rule_config, as_rule_model_card, as_rule_links_inside, as_rule_remote_code,
    as_rule_weights_safetensors, as_rule_no_gguf_only, as_rule_no_pickle_only, as_rule_index_consistent,
    as_rule_full_weights, as_rule_no_quantization, as_rule_16_bit, as_rule_shape_unchanged,
    as_rule_shapes_implied, as_rule_embedding_unchanged, as_rule_embedding_rows, as_rule_tokenizer_present,
    as_rule_tokenizer_within_embedding, as_rule_base_architecture, as_rule_supported_list,
    as_rule_depth_upscale, as_rule_text_generation, as_rule_context_within_native,
    as_rule_context_allowed_values, as_rule_context_example, as_rule_serve_fp8, as_rule_serve_16_bit,
    as_rule_precision_threshold, as_rule_unknown;

/* The number of ids that a tokenizer file gives (the largest and one), read without building it. */
AS_MUST_USE as_code as_token_count_json(const char *text, size_t size, int64_t *out, as_error *err);
AS_MUST_USE as_code as_token_count_vocab_json(const char *text, size_t size, int64_t *out, as_error *err);
AS_MUST_USE as_code as_token_count_sentencepiece(const char *bytes, size_t size, int64_t *out, as_error *err);
AS_MUST_USE as_code as_token_count_lines(const char *text, size_t size, int64_t *out, as_error *err);

#endif
