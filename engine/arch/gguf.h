/* Families as GGUF files hold them: which class of config.json an architecture is, what its metadata and its
 * tensors are called there, and how they are stored otherwise.
 *
 * To add one: a line of the table in gguf_families.c, with lists for the names that differ from Llama's. */
#ifndef AS_ENGINE_ARCH_GGUF_H
#define AS_ENGINE_ARCH_GGUF_H

#include <jansson.h>

#include "engine/load/gguf.h"

/* from: the name in the file, whole or without ".weight" and ".bias", %d the layer, %e an expert. to: the
 * hub's name. A `to` with %e for a `from` without is a stack of all experts, which becomes one tensor for
 * each. */
typedef struct as_gguf_name {
    const char *from, *to;
} as_gguf_name;

/* from: a key without the architecture's name in front; to: the field of config.json. */
typedef struct as_gguf_key {
    const char *from, *to;
} as_gguf_key;

/* How the tensors differ from the hub's; see engine/arch/stored.c. */
enum {
    AS_GGUF_PAIRED_HEADS = 1,    /* rows of q and k: neighbours instead of halves of a head turn together */
    AS_GGUF_NORMS_FOLDED = 2,    /* norms hold 1 + w */
    AS_GGUF_QKV_ROWS = 4,        /* the fused projection: all queries, all keys, all values */
    AS_GGUF_SSM_A = 8,           /* the scan's a itself, not ln(-a) */
    AS_GGUF_PLAIN_MATRICES = 16, /* [out, in] where the hub stores them transposed */
};

typedef struct as_gguf_family {
    const char *name;          /* general.architecture */
    const char *architecture;  /* of config.json */
    const char *with_experts;  /* the same where the file has experts; NULL: refused */
    const as_gguf_name *names; /* besides the shared ones and before them; ends in {0}; or NULL */
    const as_gguf_key *keys;   /* likewise */
    unsigned form;
    /* Fills in what no single key says; may be NULL. */
    as_code (*complete)(const as_gguf *gguf, json_t *config, as_error *err);
} as_gguf_family;

/* All of them, by name, ending in {0}. */
extern const as_gguf_family as_gguf_families[];

/* The family of general.architecture. AS_E_UNSUPPORTED lists the known ones. */
AS_MUST_USE as_code as_gguf_family_find(const as_gguf *gguf, const as_gguf_family **out, as_error *err);

/* What all share, ending in {0}. */
extern const as_gguf_name as_gguf_names[];
extern const as_gguf_key as_gguf_keys[];
/* The words of as_gguf_family.form, bit by bit, as they stand in the config's "stored". */
enum { AS_GGUF_FORMS = 5 };
extern const char *const as_gguf_forms[AS_GGUF_FORMS];

#endif
