/* Reading config.json: look-ups with defaults whose first error is kept, so that a family's file reads as a
 * list. */
#ifndef AS_ENGINE_CONFIG_H
#define AS_ENGINE_CONFIG_H

#include <jansson.h>
#include <stdint.h>

#include "engine/spec.h"

typedef struct as_config {
    const json_t *root; /* the object that holds the text model's fields */
    as_code rc;         /* of the first failure; later look-ups return their default */
    as_error err;
} as_config;

void as_config_init(as_config *config, const json_t *root);
/* The first failure, copied to err with "config.json: " in front. */
AS_MUST_USE as_code as_config_check(const as_config *config, as_error *err);
/* Records a contradiction, unless there is an earlier one. */
void as_config_fail(as_config *config, as_code code, const char *format, ...) AS_PRINTF(3, 4);

bool as_config_has(const as_config *config, const char *key);
int64_t as_config_int(as_config *config, const char *key, int64_t otherwise);
/* A field that must be there, between 1 and most. */
int64_t as_config_size(as_config *config, const char *key, int64_t most);
/* The same with a default for an absent or null field. */
int64_t as_config_size_or(as_config *config, const char *key, int64_t otherwise, int64_t most);
double as_config_number(as_config *config, const char *key, double otherwise);
/* The same between least and most; NaN never is. */
double as_config_number_in(as_config *config, const char *key, double otherwise, double least, double most);
/* What a norm adds under its root. */
double as_config_eps(as_config *config, const char *key, double otherwise);
bool as_config_bool(as_config *config, const char *key, bool otherwise);
const char *as_config_string(as_config *config, const char *key, const char *otherwise);
/* hidden_act and its aliases; an unknown one is an error that lists the known. */
as_activation as_config_activation(as_config *config, const char *key, const char *otherwise);

/* The rotary encoding in either form: rope_parameters (flat, or nested under layer_type) or rope_theta with
 * rope_scaling. head_dim and partial (rotated share, unless the config says otherwise) come from the family.
 */
typedef struct as_rope_defaults {
    as_rope_kind kind;
    int64_t head_dim;
    double theta;
    double partial; /* rotated share of a head; 0: all of it, and partial_rotary_factor means nothing */
    const char *layer_type; /* NULL: the flat form */
} as_rope_defaults;
/* Adds it to the spec and returns its index (an equal one is shared). */
int as_config_rope(as_config *config, const as_rope_defaults *defaults, as_model_spec *spec);

/* layer_types[i], or NULL where the config has no such list. Its length must be the number of layers. */
const char *as_config_layer_type(as_config *config, int64_t layer, int64_t layers);

#endif
