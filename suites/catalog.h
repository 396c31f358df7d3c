/* The catalogue: base models with their dimensions, and the serving classes they belong to. The data lies in
 * catalog/ and is embedded in the program; its README
 * says where it comes from. What an architecture is called stands in the data only.
 *
 * "Dimensions" here is a JSON object in the catalogue's words (layers, hidden, heads, kv_heads, head_dim,
 * intermediate, vocab, experts, moe_intermediate, tie_embeddings, native_context, ...; parts of a part with a
 * dot: "mla.kv_lora_rank"), whole numbers all, with the texts architecture, model_type and rope_type and the
 * number rope_theta beside them. */
#ifndef AS_SUITES_CATALOG_H
#define AS_SUITES_CATALOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* {"models": [...], "classes": [...], "architectures": {...}, "accelerators": [...]}; the caller's
 * reference. */
AS_MUST_USE as_code as_catalog_load(json_t **out, as_error *err);

/* Entries by name, borrowed; NULL if there is none. A model is also found by its former id. */
const json_t *as_catalog_model(const json_t *catalog, const char *id);
const json_t *as_catalog_class(const json_t *catalog, const char *name);

/* The dimensions that a config.json states or implies. AS_E_UNSUPPORTED when the catalogue does not know the
 * architecture, AS_E_INPUT (with the field's name) when something is missing or of the wrong type. */
AS_MUST_USE as_code as_catalog_config_dims(const json_t *catalog, const json_t *config, json_t **out,
                                           as_error *err);
/* The dimensions of one of the catalogue's models; AS_E_UNSUPPORTED as above. */
AS_MUST_USE as_code as_catalog_model_dims(const json_t *catalog, const json_t *model, json_t **out,
                                          as_error *err);
/* A config.json of a model's dimensions, cut to its first `layers` layers (0: all); a new reference. */
AS_MUST_USE as_code as_catalog_model_config(const json_t *catalog, const json_t *model, int64_t layers,
                                            json_t **out, as_error *err);
/* True when generation keeps a state of fixed size, so that no length is too long for it. */
bool as_catalog_is_recurrent(const json_t *catalog, const json_t *dims);

/* The class whose base model has these dimensions. Width, heads and feed-forward must be equal; the number of
 * layers or the vocabulary (not both) may differ, which is told. Where several classes have equal dimensions,
 * the one whose rotary settings, window and context agree best is chosen, the rest are `alike`. */
enum { AS_CLASS_ALIKE = 8 };
typedef struct as_class_match {
    const json_t *model_class; /* NULL: none; borrowed from the catalogue, as all below */
    const json_t *base;        /* the model */
    bool layers_differ, vocab_differs;
    bool stand_in; /* the class's own base is not known; this one stands for it */
    int alike_count;
    const char *alike[AS_CLASS_ALIKE]; /* names of the other classes that fit as well by dimensions */
} as_class_match;
void as_catalog_match(const json_t *catalog, const json_t *dims, as_class_match *out);

#endif
