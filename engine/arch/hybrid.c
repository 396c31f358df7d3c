/* What families share that mix recurrent layers with attention; see hybrid.h. */
#include "engine/arch/hybrid.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

static const double most_factor = 1e9;

int64_t as_spec_auto_size(as_config *c, const char *key, int64_t automatic, int64_t most)
{
    const char *word = json_string_value(json_object_get(c->root, key));
    if (word && strcmp(word, "auto") == 0) return automatic;
    return as_config_size_or(c, key, automatic, most);
}

int64_t as_spec_expanded(as_config *c, const as_model_spec *spec, const char *key)
{
    double width = as_config_number_in(c, key, 2, 1e-3, 1024) * (double)spec->hidden;
    return width >= 1 ? (int64_t)width : 1;
}

void as_spec_check_mamba2(as_config *c, const as_mamba2_spec *m, int64_t inner, const char *heads_key,
                          const char *groups_key)
{
    if (m->heads * m->head_dim != inner) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld, of %lld each: %lld, but Mamba's inner width is %lld",
                       heads_key, (long long)m->heads, (long long)m->head_dim,
                       (long long)(m->heads * m->head_dim), (long long)inner);
    } else if (m->heads % m->groups) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld, which does not divide \"%s\" %lld", groups_key,
                       (long long)m->groups, heads_key, (long long)m->heads);
    }
}

static double number_at(as_config *c, const char *key, const json_t *list, size_t i, double otherwise)
{
    double value = otherwise;
    if (!as_json_number(json_array_get(list, i), &value) || isnan(value)) {
        as_config_fail(c, AS_E_INPUT, "\"%s\"[%zu] is not a number", key, i);
    }
    return value;
}

/* The list under a key, or NULL where it is null or absent. */
static const json_t *list_of(as_config *c, const char *key, size_t count)
{
    if (!as_config_has(c, key)) return NULL;
    const json_t *list = json_object_get(c->root, key);
    if (json_is_array(list) && json_array_size(list) == count) return list;
    as_config_fail(c, AS_E_INPUT, "\"%s\" must be a list of %zu entries", key, count);
    return NULL;
}

void as_spec_step_limit(as_config *c, const char *key, as_mamba2_spec *m)
{
    m->dt_least = 0;
    m->dt_most = INFINITY;
    const json_t *list = list_of(c, key, 2);
    if (!list) return;
    m->dt_least = (float)number_at(c, key, list, 0, 0);
    m->dt_most = (float)number_at(c, key, list, 1, INFINITY);
    if (m->dt_least > m->dt_most) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is [%g, %g], whose first is above its second", key,
                       (double)m->dt_least, (double)m->dt_most);
    }
}

as_mamba2_spec as_spec_mamba2(as_config *c, int64_t inner, double eps)
{
    as_mamba2_spec m = {.heads = as_config_size_or(c, "mamba_n_heads", 128, AS_MOST_HEADS),
                        .states = as_config_size_or(c, "mamba_d_state", 256, 1 << 16),
                        .groups = as_config_size_or(c, "mamba_n_groups", 1, AS_MOST_HEADS),
                        .taps = as_config_size_or(c, "mamba_d_conv", 4, 64),
                        .act = as_config_activation(c, "hidden_act", "silu"),
                        .in_bias = as_config_bool(c, "mamba_proj_bias", false),
                        .conv_bias = as_config_bool(c, "mamba_conv_bias", true),
                        .norm = as_spec_rms(AS_SLOT_SSM_NORM, eps, 0)};
    m.out_bias = m.in_bias;
    m.head_dim =
        as_spec_auto_size(c, "mamba_d_head", inner / m.heads > 0 ? inner / m.heads : 1, AS_MOST_WIDTH);
    as_spec_step_limit(c, "time_step_limit", &m);
    as_spec_check_mamba2(c, &m, inner, "mamba_n_heads", "mamba_n_groups");
    return m;
}

bool as_spec_is_attention(as_config *c, const as_model_spec *spec, int64_t layer, bool otherwise)
{
    const char *key = as_config_has(c, "layer_types") ? "layer_types" : "layers_block_type";
    const json_t *list = list_of(c, key, (size_t)spec->layer_count);
    if (!list) return otherwise;
    const char *name = json_string_value(json_array_get(list, (size_t)layer));
    if (!name) name = "no string";
    if (strcmp(name, "attention") == 0 || strcmp(name, "full_attention") == 0) return true;
    if (strcmp(name, "mamba") != 0 && strcmp(name, "linear_attention") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"%s\"[%lld] is %s, expected \"mamba\" (or linear_attention) or \"attention\" (or "
                       "full_attention)",
                       key, (long long)layer, name);
    }
    return false;
}

bool as_spec_is_hybrid(as_config *c, const as_model_spec *spec, int64_t layer, bool otherwise)
{
    const char *key = as_config_has(c, "layers_block_type") ? "layers_block_type" : "layer_types";
    const json_t *list = json_object_get(c->root, key);
    if (!as_config_has(c, key)) return otherwise;
    if (!json_is_array(list) || (int64_t)json_array_size(list) != spec->layer_count) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" must be a list with one entry for each of the %lld layers", key,
                       (long long)spec->layer_count);
        return false;
    }
    const char *name = json_string_value(json_array_get(list, (size_t)layer));
    if (name && strcmp(name, "hybrid") == 0) return true;
    if (!name || (strcmp(name, "mamba") != 0 && strcmp(name, "linear_attention") != 0)) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"%s\"[%lld] is %s, expected mamba or hybrid", key,
                       (long long)layer, name ? name : "no string");
    }
    return false;
}

float as_spec_rescaled(as_config *c, const as_model_spec *spec)
{
    if (!as_config_bool(c, "rescale_prenorm_residual", false)) return 1;
    return (float)(1 / sqrt((double)spec->layer_count));
}

void as_spec_factors(as_config *c, const char *key, int count, float *out)
{
    const json_t *list = list_of(c, key, (size_t)count);
    for (int i = 0; i < count; i++) {
        double value = list ? number_at(c, key, list, (size_t)i, 1) : 1;
        if (!(fabs(value) <= most_factor)) {
            as_config_fail(c, AS_E_INPUT, "\"%s\"[%d] is %g", key, i, value);
        }
        out[i] = as_factor_of(value);
    }
}
