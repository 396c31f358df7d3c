/* Families as GGUF files hold them: which class of config.json an architecture is, what its metadata are
 * called there, which tensor fills which slot, and how tensors are stored otherwise than on the hub.
 *
 * To add one: a line of the table in gguf_families.c, with lists for the keys and slots that differ from what
 * most have. */
#ifndef AS_ENGINE_ARCH_GGUF_H
#define AS_ENGINE_ARCH_GGUF_H

#include <jansson.h>

#include "engine/load/gguf.h"
#include "engine/spec.h"

/* from: a key without the architecture's name in front; to: the field of config.json. */
typedef struct as_gguf_key {
    const char *from, *to;
} as_gguf_key;

/* A field that is true where some layer has one of the tensors, false where none has; with a leading '!' the
 * other way round. tensor: what stands behind "blk.N."; '|' between two. */
typedef struct as_gguf_sign {
    const char *field, *tensor;
} as_gguf_sign;

/* A slot whose tensor has another name than in most families: a pattern as in spec.h. */
typedef struct as_gguf_slot {
    as_slot slot;
    const char *pattern;
} as_gguf_slot;

/* How the tensors differ from the hub's; see engine/arch/stored.c. */
enum {
    AS_GGUF_PAIRED_HEADS = 1,   /* rows of q and k: neighbours instead of halves of a head turn together */
    AS_GGUF_NORMS_FOLDED = 2,   /* norms hold 1 + w */
    AS_GGUF_HUB_QKV = 4,        /* a fused projection is ordered as on the hub, not by rows */
    AS_GGUF_WEIGHTED_HEADS = 8, /* norms of queries and keys have weights, which hold a factor besides */
    AS_GGUF_PAIRED_NORMS = 16,  /* the weights of those norms are in the order of paired heads too */
};

typedef struct as_gguf_family {
    const char *name;          /* general.architecture */
    const char *architecture;  /* of config.json */
    const char *with_experts;  /* the same where the file has experts; NULL: refused */
    const as_gguf_slot *slots; /* besides the shared ones and before them; ends in {0}; or NULL */
    const as_gguf_key *keys;   /* likewise */
    const as_gguf_sign *signs; /* ends in {0}; or NULL */
    unsigned form;
    /* Fills in what no single key says; may be NULL. */
    as_code (*complete)(const as_gguf *gguf, json_t *config, as_error *err);
} as_gguf_family;

/* All of them, by name, ending in {0}. */
extern const as_gguf_family as_gguf_families[];

/* The family of general.architecture. AS_E_UNSUPPORTED names it and lists the known ones. */
AS_MUST_USE as_code as_gguf_family_find(const as_gguf *gguf, const as_gguf_family **out, as_error *err);
const as_gguf_family *as_gguf_family_named(const char *name, size_t size); /* NULL: none */

/* What all share. */
extern const as_gguf_key as_gguf_keys[];      /* ending in {0} */
extern const char *const as_gguf_slots[];     /* [AS_SLOT_COUNT], NULL: no file has it */
extern const char *const as_gguf_leftovers[]; /* as as_model_spec.ignored */

/* ---- for the families' own functions (gguf_complete.c) ---- */

const as_gguf_tensor *as_gguf_tensor_named(const as_gguf *gguf, const char *name); /* NULL: none */
/* Whether some layer has that tensor ("attn_q.bias"). */
bool as_gguf_layers_have(const as_gguf *gguf, const char *name);
/* ARCH.name of the file's own architecture; NULL: it is not there. */
const as_gguf_value *as_gguf_own(const as_gguf *gguf, const char *name);

#endif
