/* synth: models: the configuration of a catalog entry, so that real dimensions can be measured without real
 * weights. */
#ifndef AS_HARNESS_SYNTH_H
#define AS_HARNESS_SYNTH_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

/* text: "<catalog id>[,layers=N][,seed=S]". The id may leave out the organisation where that is unambiguous.
 * *config is a new reference. */
AS_MUST_USE as_code as_synth_config(const char *text, json_t **config, uint64_t *seed, as_error *err);

#endif
