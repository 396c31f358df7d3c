/* Reading a GGUF file's own numbers and writing fields of the configuration that is made of it; for the
 * families' functions (gguf_complete.c, gguf_recurrent.c). */
#ifndef AS_ENGINE_ARCH_GGUF_FIELDS_H
#define AS_ENGINE_ARCH_GGUF_FIELDS_H

#include "engine/arch/gguf.h"

enum { AS_GGUF_MOST_LAYERS = 4096 };

/* ---- the file ---- */

/* ARCH.name where the file has it; *out is left as it is where it has not. */
AS_MUST_USE as_code as_gguf_own_int(const as_gguf *gguf, const char *name, int64_t *out, as_error *err);
AS_MUST_USE as_code as_gguf_own_real(const as_gguf *gguf, const char *name, double *out, as_error *err);
AS_MUST_USE as_code as_gguf_own_bool(const as_gguf *gguf, const char *name, bool *out, as_error *err);
/* The whole number of a layer in a list of one for each, or the one number for all. name: for messages. */
AS_MUST_USE as_code as_gguf_layer_number(const as_gguf_value *value, uint64_t layer, const char *name,
                                         int64_t *out, as_error *err);
/* Rows of a matrix of the first layer that has it ("ffn_up.weight"); 0 where none has. */
int64_t as_gguf_rows(const as_gguf *gguf, const char *name);
/* Whether that very layer has the tensor. */
bool as_gguf_layer_has(const as_gguf *gguf, int64_t layer, const char *name);

/* ---- the configuration: a value that is set is given away ---- */

double as_gguf_field(const json_t *config, const char *field); /* 0 where there is no number */
AS_MUST_USE as_code as_gguf_set(json_t *config, const char *field, json_t *value, as_error *err);
/* The same unless the field is there. */
AS_MUST_USE as_code as_gguf_default(json_t *config, const char *field, json_t *value, as_error *err);
/* A field of one object under another name in another; nothing where the first has none. */
AS_MUST_USE as_code as_gguf_copy(const json_t *from, const char *field, json_t *to, const char *name,
                                 as_error *err);
AS_MUST_USE as_code as_gguf_append(json_t *list, json_t *value, as_error *err);
/* A list of the numbers of an array. */
AS_MUST_USE as_code as_gguf_set_list(json_t *config, const char *field, const as_gguf_value *array,
                                     as_error *err);
AS_MUST_USE as_code as_gguf_set_class(json_t *config, const char *architecture, as_error *err);
/* A list with a word for each layer, by whether ARCH.attention.head_count_kv gives it keys; the largest
 * number becomes num_key_value_heads. Nothing where that is one number. */
AS_MUST_USE as_code as_gguf_set_mixers(const as_gguf *gguf, json_t *config, const char *field,
                                       const char *attention, const char *other, as_error *err);

/* The share of a head's width that makes up so many of its elements when it is multiplied out again. */
double as_gguf_share(int64_t rotated, double width);
/* Rotary parameters by type of layer, of the fields that say them for all: layers with a window have a base
 * (rope.freq_base_swa) and a width (rope.dimension_count_swa) of their own, heads of that width, and no
 * scaling. */
AS_MUST_USE as_code as_gguf_set_rotations(const as_gguf *gguf, json_t *config, int64_t sliding_width,
                                          as_error *err);
/* layer_types where the file has no list: every so many layers one sees all, the first of them or the last.
 */
AS_MUST_USE as_code as_gguf_set_windows(const as_gguf *gguf, json_t *config, int64_t every, bool full_first,
                                        as_error *err);
/* A list with a word for each layer, by whether it has a tensor ("ffn_gate_inp.weight"). */
AS_MUST_USE as_code as_gguf_set_words(const as_gguf *gguf, json_t *config, const char *field,
                                      const char *tensor, const char *with, const char *without,
                                      as_error *err);
/* mlp_layer_types, by which layers have a router. */
AS_MUST_USE as_code as_gguf_set_sparsity(const as_gguf *gguf, json_t *config, as_error *err);
/* A key's number of the layers with a window and of the others (mimo2.attention.head_count_kv), by
 * layer_types; a kind that no layer is of keeps what *full and *sliding are. */
AS_MUST_USE as_code as_gguf_kind_numbers(const as_gguf *gguf, const json_t *config, const char *name,
                                         int64_t *full, int64_t *sliding, as_error *err);

#endif
