/* Reading config.json: look-ups with defaults whose first error is kept, so that a family's file reads as a
 * list. */
#ifndef AS_ENGINE_CONFIG_H
#define AS_ENGINE_CONFIG_H

#include <jansson.h>
#include <stdint.h>

#include "engine/spec.h"

typedef struct as_config {
    const json_t *root;  /* the object that holds the text model's fields */
    const json_t *outer; /* config.json itself */
    as_code rc;          /* of the first failure; later look-ups return their default */
    as_error err;
} as_config;

void as_config_init(as_config *config, const json_t *root);
/* The first failure, copied to err with "config.json: " in front. */
AS_MUST_USE as_code as_config_check(const as_config *config, as_error *err);
/* Records a contradiction, unless there is an earlier one. */
void as_config_fail(as_config *config, as_code code, const char *format, ...) AS_PRINTF(3, 4);

bool as_config_has(const as_config *config, const char *key);
/* The name under which the config holds a field: its own, unless only the other is there. */
const char *as_config_key(const as_config *config, const char *own, const char *other);
int64_t as_config_int(as_config *config, const char *key, int64_t otherwise);
/* A field that must be there, between 1 and most. */
int64_t as_config_size(as_config *config, const char *key, int64_t most);
/* The same with a default for an absent or null field. */
int64_t as_config_size_or(as_config *config, const char *key, int64_t otherwise, int64_t most);
double as_config_number(as_config *config, const char *key, double otherwise);
/* The same between least and most; NaN never is. */
double as_config_number_in(as_config *config, const char *key, double otherwise, double least, double most);
/* A factor for a field of the spec in which 0 means 1: a 0 of the config becomes one of which nothing
 * remains. */
float as_factor_of(double value);
float as_config_factor(as_config *config, const char *key, double otherwise);
/* What a norm adds under its root. */
double as_config_eps(as_config *config, const char *key, double otherwise);
/* A nested object as a configuration of its own; an absent or null one is empty. */
as_config as_config_nested(as_config *config, const char *key);
/* Takes over the nested one's first failure. */
void as_config_return(as_config *config, const as_config *nested);
/* An absent field is `otherwise`; null is false, as it is in a condition of the oracle's. */
bool as_config_bool(as_config *config, const char *key, bool otherwise);
/* Whether the field is that text. */
bool as_config_says(const as_config *config, const char *key, const char *text);
const char *as_config_string(as_config *config, const char *key, const char *otherwise);
/* The name under which configurations know an activation. */
const char *as_activation_name(as_activation act);
/* hidden_act and its aliases; an unknown one is an error that lists the known. */
as_activation as_config_activation(as_config *config, const char *key, const char *otherwise);

/* The rotary encoding in either form: rope_parameters (flat, or nested under layer_type) or rope_theta with
 * rope_scaling, which goes before rope_parameters where it says anything. head_dim and partial (rotated
 * share, unless the config says otherwise) come from the family.
 */
typedef struct as_rope_defaults {
    as_rope_kind kind;
    int64_t head_dim;
    double theta;
    double partial;         /* rotated share of a head; 0: all of it, and the config's means nothing */
    const char *layer_type; /* NULL: the flat form */
    bool by_type;           /* a flat rope_parameters says nothing of it; it goes before
                             * rope_scaling, whose "type" says nothing */
    const char *theta_key;  /* of the older form; NULL: "rope_theta"; "": there is none */
    const char *share_key;  /* of the older form; NULL: "partial_rotary_factor"; "": it has none;
                             * null is all of a head */
    bool own_scaling;       /* rope_scaling is another's, or no one's */
    const char *parameters; /* rope_parameters, as JSON text, where the config has none; NULL: plain */
    bool ntk_alpha;         /* "dynamic" with an "alpha" is one base for all lengths */
    bool always_longrope;   /* every scaling but "default" is longrope, whatever it calls itself */
    bool backward;          /* as_rope_spec.backward */
    int64_t every;          /* as_rope_spec.every */
    bool anew;              /* as_rope_spec.anew */
    bool even_share;  /* an odd number of rotated elements is not rounded up: the class cannot turn them */
    int64_t original; /* original_max_position_embeddings where the class has that field; 0: it has not */
    /* Where the context has another name (spec->context): max_position_embeddings' default, the length before
     * stretching for a config that states neither. 0: it has the usual name. */
    int64_t unnamed_context;
} as_rope_defaults;
/* Adds it to the spec and returns its index (an equal one is shared). -1, no rotation, where the layer type's
 * parameters are null. */
int as_config_rope(as_config *config, const as_rope_defaults *defaults, as_model_spec *spec);
/* The index of the same encoding with another base. */
int as_config_rope_of_base(as_config *config, as_model_spec *spec, int rope, double theta);

/* The object that holds the rotary parameters, rope_scaling before rope_parameters; NULL where neither does.
 */
const json_t *as_config_rope_object(const as_config *config);

/* layer_types[i], or NULL where the config has no such list. Its length must be the number of layers. */
const char *as_config_layer_type(as_config *config, int64_t layer, int64_t layers);
/* The same of another list of names. */
const char *as_config_layer_name(as_config *config, const char *key, int64_t layer, int64_t layers);
/* A field that is one number for all layers or a list of one for each, between 1 and most. */
int64_t as_config_layer_size(as_config *config, const char *key, int64_t layer, int64_t layers,
                             int64_t otherwise, int64_t most);
/* Whether a list of numbers (absent and null: empty) has the number. */
bool as_config_lists(as_config *config, const char *key, int64_t number);

#endif
