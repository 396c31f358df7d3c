/* Reading config.json; see config.h. */
#include "engine/config.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { MAX_CONTEXT = 1 << 30 };

/* Beyond these a base or a factor is a slip of the pen and would not survive float32. */
static const double least_factor = 1e-6, most_factor = 1e6, most_base = 1e30, most_scale = 1e9;

void as_config_init(as_config *config, const json_t *root)
{
    *config = (as_config){.root = root, .outer = root};
}

as_code as_config_check(const as_config *config, as_error *err)
{
    if (config->rc == AS_OK) return AS_OK;
    if (err) {
        *err = config->err;
        (void)as_wrap(err, "config.json");
    }
    return config->rc;
}

void as_config_fail(as_config *config, as_code code, const char *format, ...)
{
    if (config->rc != AS_OK) return;
    char text[sizeof config->err.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    config->rc = as_fail(&config->err, code, "%s", text);
}

bool as_config_has(const as_config *config, const char *key)
{
    return as_json_has(config->root, key);
}

const char *as_config_key(const as_config *config, const char *own, const char *other)
{
    return !as_config_has(config, own) && as_config_has(config, other) ? other : own;
}

/* Each getter keeps the first failure and then hands out defaults. */
#define GET(kind, value)                                                                                     \
    do {                                                                                                     \
        if (config->rc == AS_OK) config->rc = as_json_get_##kind(config->root, key, &(value), &config->err); \
    } while (0)

int64_t as_config_int(as_config *config, const char *key, int64_t otherwise)
{
    int64_t value = otherwise;
    GET(int, value);
    return value;
}

static int64_t check_size(as_config *config, const char *key, int64_t value, int64_t most)
{
    if (value >= 1 && value <= most) return value;
    as_config_fail(config, AS_E_INPUT, "\"%s\" is %lld, expected 1 to %lld", key, (long long)value,
                   (long long)most);
    return 1;
}

int64_t as_config_size(as_config *config, const char *key, int64_t most)
{
    if (config->rc == AS_OK && !as_config_has(config, key)) {
        as_config_fail(config, AS_E_INPUT, "\"%s\" is missing", key);
    }
    return check_size(config, key, as_config_int(config, key, 1), most);
}

int64_t as_config_size_or(as_config *config, const char *key, int64_t otherwise, int64_t most)
{
    return check_size(config, key, as_config_int(config, key, otherwise), most);
}

double as_config_number(as_config *config, const char *key, double otherwise)
{
    double value = otherwise;
    GET(number, value);
    return value;
}

double as_config_number_in(as_config *config, const char *key, double otherwise, double least, double most)
{
    double value = as_config_number(config, key, otherwise);
    if (value >= least && value <= most) return value;
    as_config_fail(config, AS_E_INPUT, "\"%s\" is %g, expected %g to %g", key, value, least, most);
    return otherwise;
}

float as_factor_of(double value)
{
    return value == 0 ? FLT_MIN : (float)value;
}

float as_config_factor(as_config *config, const char *key, double otherwise)
{
    return as_factor_of(as_config_number_in(config, key, otherwise, -most_scale, most_scale));
}

double as_config_eps(as_config *config, const char *key, double otherwise)
{
    return as_config_number_in(config, key, otherwise, 0, 1000);
}

as_config as_config_nested(as_config *config, const char *key)
{
    json_t *object = NULL;
    GET(object, object);
    return (as_config){.root = object, .outer = config->outer, .rc = config->rc, .err = config->err};
}

void as_config_return(as_config *config, const as_config *nested)
{
    if (config->rc != AS_OK || nested->rc == AS_OK) return;
    config->rc = nested->rc;
    config->err = nested->err;
}

bool as_config_bool(as_config *config, const char *key, bool otherwise)
{
    bool value = otherwise && !json_is_null(json_object_get(config->root, key));
    GET(bool, value);
    return value;
}

bool as_config_says(const as_config *config, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(config->root, key));
    return value && strcmp(value, text) == 0;
}

const char *as_config_string(as_config *config, const char *key, const char *otherwise)
{
    const char *value = otherwise;
    GET(string, value);
    return value;
}

/* Names as transformers' activations.py registers them. */
static const struct {
    const char *name;
    as_activation act;
} activations[] = {
    {"silu", AS_ACT_SILU},
    {"swish", AS_ACT_SILU},
    {"gelu", AS_ACT_GELU},
    {"gelu_python", AS_ACT_GELU},
    {"gelu_new", AS_ACT_GELU_TANH},
    {"gelu_fast", AS_ACT_GELU_TANH},
    {"gelu_pytorch_tanh", AS_ACT_GELU_TANH},
    {"gelu_python_tanh", AS_ACT_GELU_TANH},
    {"gelu_accurate", AS_ACT_GELU_TANH},
    {"quick_gelu", AS_ACT_GELU_QUICK},
    {"relu", AS_ACT_RELU},
    {"relu2", AS_ACT_RELU2},
    {"sigmoid", AS_ACT_SIGMOID},
    {"tanh", AS_ACT_TANH},
    {"linear", AS_ACT_NONE},
    {"gelu_10", AS_ACT_GELU_CLIPPED},
    {"hardswish", AS_ACT_HARDSWISH},
    {"laplace", AS_ACT_LAPLACE},
    {"leaky_relu", AS_ACT_LEAKY_RELU},
    {"mish", AS_ACT_MISH},
    {"relu6", AS_ACT_RELU6},
    {"sqrtsoftplus", AS_ACT_SQRT_SOFTPLUS},
};

const char *as_activation_name(as_activation act)
{
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        if (activations[i].act == act) return activations[i].name;
    }
    return "identity";
}

as_activation as_config_activation(as_config *config, const char *key, const char *otherwise)
{
    const char *name = as_config_string(config, key, otherwise);
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        if (strcmp(name, activations[i].name) == 0) return activations[i].act;
    }
    as_config_fail(config, AS_E_UNSUPPORTED,
                   "\"%s\" is \"%s\", which is no activation known here (silu, gelu, "
                   "gelu_new, gelu_pytorch_tanh, quick_gelu, relu, relu2, sigmoid, tanh)",
                   key, name);
    return AS_ACT_NONE;
}

/* ---- rotary encodings ------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    as_rope_scaling scaling;
} scalings[] = {
    {"default", AS_ROPE_PLAIN},   {"linear", AS_ROPE_LINEAR},
    {"dynamic", AS_ROPE_DYNAMIC}, {"yarn", AS_ROPE_YARN},
    {"llama3", AS_ROPE_LLAMA3},   {"longrope", AS_ROPE_LONGROPE},
    {"su", AS_ROPE_LONGROPE},     {"proportional", AS_ROPE_PROPORTIONAL},
    {"mrope", AS_ROPE_PLAIN},    /* in sections, which positions of text share */
    {"xdrope", AS_ROPE_DYNAMIC}, /* HunYuan's name of the same where it is stretched */
};

static as_rope_scaling rope_scaling_kind(as_config *config, as_config *fields,
                                         const as_rope_defaults *defaults, bool only_rope_type)
{
    const char *type = only_rope_type ? "default" : as_config_string(fields, "type", "default");
    const char *name = as_config_string(fields, "rope_type", type);
    if (defaults->always_longrope && strcmp(name, "yarn") == 0) return AS_ROPE_LONGROPE;
    for (size_t i = 0; i < sizeof scalings / sizeof scalings[0]; i++) {
        if (strcmp(name, scalings[i].name) == 0) return scalings[i].scaling;
    }
    as_config_fail(config, AS_E_UNSUPPORTED,
                   "rope scaling \"%s\" is not known here (default, linear, dynamic, yarn, "
                   "llama3, longrope, proportional)",
                   name);
    return AS_ROPE_PLAIN;
}

/* A list of one number says it of all. */
static const double *factor_list(as_config *fields, const char *key, int64_t count, as_model_spec *spec)
{
    json_t *list = json_object_get(fields->root, key);
    int64_t given = (int64_t)json_array_size(list);
    if (given != count && given != 1) {
        as_config_fail(fields, AS_E_INPUT, "\"%s\" must be a list of %lld numbers (half the rotated width)",
                       key, (long long)count);
        return NULL;
    }
    double *out = AS_ARENA_NEW_ARRAY(&spec->arena, double, count);
    if (!out) {
        as_config_fail(fields, AS_E_MEMORY, "out of memory for \"%s\"", key);
        return NULL;
    }
    for (int64_t i = 0; i < count; i++) {
        if (!as_json_number(json_array_get(list, given == 1 ? 0 : (size_t)i), &out[i]) ||
            !(out[i] > 0 && out[i] <= most_factor)) {
            as_config_fail(fields, AS_E_INPUT, "\"%s\"[%lld] is not a number above 0", key, (long long)i);
            return NULL;
        }
    }
    return out;
}

static double mscale(double factor, double by)
{
    return factor <= 1 ? 1 : 0.1 * by * log(factor) + 1;
}

/* The factor on cos and sin where the config gives none. */
static double default_attention_factor(as_config *fields, const as_rope_spec *rope)
{
    if (rope->scaling == AS_ROPE_YARN) {
        double up = as_config_number(fields, "mscale", 0),
               all = as_config_number(fields, "mscale_all_dim", 0);
        return up != 0 && all != 0 ? mscale(rope->factor, up) / mscale(rope->factor, all)
                                   : mscale(rope->factor, 1);
    }
    if (rope->scaling == AS_ROPE_LONGROPE && rope->factor > 1) {
        return sqrt(1 + log(rope->factor) / log((double)rope->original_context));
    }
    return 1;
}

/* The length before stretching: beside the scaling it goes before the scaling's own, but not where scalings
 * are nested by layer type (RotaryEmbeddingConfigMixin.standardize_rope_params). */
static int64_t original_context(as_config *config, as_config *fields, const as_rope_defaults *defaults,
                                bool nested, int64_t max_context)
{
    int64_t unstated = max_context;
    if (defaults->unnamed_context) {
        unstated =
            as_config_size_or(config, "max_position_embeddings", defaults->unnamed_context, MAX_CONTEXT);
    }
    int64_t own = as_config_size_or(fields, "original_max_position_embeddings", unstated, MAX_CONTEXT);
    if (nested) return own;
    int64_t otherwise = defaults->original ? defaults->original : own;
    return as_config_size_or(config, "original_max_position_embeddings", otherwise, MAX_CONTEXT);
}

/* nested: transformers does not see a "truncate" there, for it looks beside the layer types. */
static void read_scaling(as_config *fields, as_rope_spec *rope, bool nested, as_model_spec *spec)
{
    bool needs_factor = rope->scaling == AS_ROPE_LINEAR || rope->scaling == AS_ROPE_DYNAMIC ||
                        rope->scaling == AS_ROPE_LLAMA3;
    if (needs_factor && !as_config_has(fields, "factor")) {
        as_config_fail(fields, AS_E_INPUT, "rope scaling has no \"factor\"");
    }
    double ratio = (double)rope->max_context / (double)rope->original_context;
    bool by_ratio = rope->scaling == AS_ROPE_YARN || rope->scaling == AS_ROPE_LONGROPE;
    rope->factor = as_config_number_in(fields, "factor", by_ratio ? ratio : 1, least_factor, most_factor);
    rope->low_freq_factor = as_config_number_in(fields, "low_freq_factor", 1, least_factor, most_factor);
    rope->high_freq_factor = as_config_number_in(fields, "high_freq_factor", 4, least_factor, most_factor);
    if (rope->scaling == AS_ROPE_LLAMA3 && rope->low_freq_factor > rope->high_freq_factor) {
        as_config_fail(fields, AS_E_INPUT,
                       "\"low_freq_factor\" is %g, expected at most \"high_freq_factor\" %g",
                       rope->low_freq_factor, rope->high_freq_factor);
    }
    rope->beta_fast = as_config_number_in(fields, "beta_fast", 32, 0, most_factor);
    rope->beta_slow = as_config_number_in(fields, "beta_slow", 1, 0, most_factor);
    rope->no_truncate = !nested && !as_config_bool(fields, "truncate", true);
    if (rope->beta_fast == 0) rope->beta_fast = 32;
    if (rope->beta_slow == 0) rope->beta_slow = 1;
    if (rope->scaling == AS_ROPE_LONGROPE) {
        rope->short_factor = factor_list(fields, "short_factor", (rope->rotary + 1) / 2, spec);
        rope->long_factor = factor_list(fields, "long_factor", (rope->rotary + 1) / 2, spec);
    }
    rope->mscale_all_dim = as_config_number_in(fields, "mscale_all_dim", 0, -most_factor, most_factor);
    rope->attention_factor = 1;
    if (by_ratio) {
        double otherwise = default_attention_factor(fields, rope);
        rope->attention_factor = as_config_number_in(fields, "attention_factor", otherwise, 0, most_factor);
    }
}

static bool same_rope(const as_rope_spec *a, const as_rope_spec *b)
{
    return a->kind == b->kind && a->head_dim == b->head_dim && a->dim == b->dim && a->offset == b->offset &&
           a->theta == b->theta && a->scaling == b->scaling && a->factor == b->factor &&
           a->attention_factor == b->attention_factor && a->mscale_all_dim == b->mscale_all_dim &&
           a->original_context == b->original_context && a->max_context == b->max_context &&
           a->low_freq_factor == b->low_freq_factor && a->high_freq_factor == b->high_freq_factor &&
           a->beta_fast == b->beta_fast && a->beta_slow == b->beta_slow && a->no_truncate == b->no_truncate &&
           a->angles == b->angles && a->short_factor == b->short_factor && a->long_factor == b->long_factor &&
           a->backward == b->backward && a->every == b->every && a->first == b->first;
}

static int add_rope(as_config *config, as_model_spec *spec, const as_rope_spec *rope)
{
    for (int i = 0; i < spec->rope_count; i++) {
        if (same_rope(&spec->ropes[i], rope)) return i;
    }
    if (spec->rope_count == AS_MAX_ROPES) {
        as_config_fail(config, AS_E_UNSUPPORTED, "more than %d different rotary encodings", AS_MAX_ROPES);
        return 0;
    }
    spec->ropes[spec->rope_count] = *rope;
    return spec->rope_count++;
}

const json_t *as_config_rope_object(const as_config *config)
{
    const json_t *older = json_object_get(config->root, "rope_scaling");
    const json_t *object = json_object_size(older) ? older : json_object_get(config->root, "rope_parameters");
    return json_is_object(object) ? object : NULL;
}

/* The object that holds the rotary parameters. */
typedef struct rope_source {
    json_t *object; /* NULL: none */
    bool nested;    /* under the layer type */
    bool none;      /* null under the layer type: no rotation */
    bool older;     /* it is rope_scaling */
} rope_source;

/* The older form goes before the newer where a config has both, but in families that tell layers apart by
 * type. */
static rope_source find_rope(as_config *config, const as_rope_defaults *defaults)
{
    rope_source found = {.object = NULL};
    for (int i = 0; i < 2 && !found.object && !found.none; i++) {
        bool older = (i == 0) != defaults->by_type;
        json_t *object = NULL;
        if (config->rc == AS_OK) {
            const char *key = older ? "rope_scaling" : "rope_parameters";
            config->rc = as_json_get_object(config->root, key, &object, &config->err);
        }
        json_t *nested = defaults->layer_type ? json_object_get(object, defaults->layer_type) : NULL;
        found.none = json_is_null(nested) && !defaults->by_type;
        found.nested = json_is_object(nested);
        if (found.nested) {
            object = nested;
        } else if (older ? defaults->own_scaling : defaults->by_type) {
            object = NULL;
        }
        if (json_object_size(object)) {
            found.object = object;
            found.older = older;
        }
    }
    return found;
}

/* How many of a head's elements turn, and over how many the frequencies are taken. */
static void read_widths(as_config *config, as_config *fields, const as_rope_defaults *defaults,
                        as_rope_spec *rope)
{
    bool proportional = rope->scaling == AS_ROPE_PROPORTIONAL;
    double share = defaults->partial > 0 ? defaults->partial : 1;
    if (defaults->partial > 0 || proportional) {
        const char *key = defaults->share_key ? defaults->share_key : "partial_rotary_factor";
        bool null = json_is_null(json_object_get(config->root, key));
        share = null ? 1 : as_config_number_in(config, key, share, 0, 1);
        share = as_config_number_in(fields, "partial_rotary_factor", share, 0, 1);
    }
    rope->dim = (int64_t)((double)rope->head_dim * share);
    if (proportional) {
        rope->angles = (int64_t)floor(share * (double)rope->head_dim / 2);
        rope->dim = rope->head_dim;
    }
    rope->rotary = rope->dim + rope->dim % 2; /* an odd share is rounded up */
    if (rope->rotary > rope->head_dim || (defaults->even_share && rope->dim % 2)) {
        as_config_fail(config, AS_E_INPUT, "\"head_dim\" is %lld, of which %lld cannot be rotated in pairs",
                       (long long)rope->head_dim, (long long)rope->dim);
    }
}

/* HunYuan's dynamic scaling: the base stretched once, for all lengths. */
static void read_alpha(as_config *fields, as_rope_spec *rope)
{
    double alpha = as_config_number_in(fields, "alpha", 0, 0, most_base);
    if (alpha == 0) return;
    double dim = (double)rope->dim;
    rope->theta *= pow(alpha, dim / (dim - 2));
    rope->scaling = AS_ROPE_PLAIN;
}

int as_config_rope(as_config *config, const as_rope_defaults *defaults, as_model_spec *spec)
{
    rope_source from = find_rope(config, defaults);
    if (from.none) return -1;
    json_t *own = NULL;
    bool stated = json_is_object(json_object_get(config->root, "rope_parameters")); /* if empty */
    if (!from.object && defaults->parameters && !stated)
        from.object = own = json_loads(defaults->parameters, 0, NULL);
    as_config fields;
    as_config_init(&fields, from.object);
    as_rope_spec rope = {.kind = defaults->kind,
                         .head_dim = defaults->head_dim,
                         .anew = defaults->anew,
                         .backward = defaults->backward,
                         .every = defaults->every};
    rope.theta = as_config_number_in(config, defaults->theta_key ? defaults->theta_key : "rope_theta",
                                     defaults->theta, least_factor, most_base);
    rope.theta = as_config_number_in(&fields, "rope_theta", rope.theta, least_factor, most_base);
    rope.scaling = rope_scaling_kind(config, &fields, defaults, defaults->by_type && from.older);
    rope.max_context = defaults->unnamed_context
                           ? spec->context
                           : as_config_size_or(config, "max_position_embeddings",
                                               spec->context ? spec->context : 2048, MAX_CONTEXT);
    rope.original_context = original_context(config, &fields, defaults, from.nested, rope.max_context);
    read_widths(config, &fields, defaults, &rope);
    read_scaling(&fields, &rope, from.nested, spec);
    if (defaults->ntk_alpha && rope.scaling == AS_ROPE_DYNAMIC) read_alpha(&fields, &rope);
    if (config->rc == AS_OK && fields.rc != AS_OK) {
        config->rc = fields.rc;
        config->err = fields.err;
    }
    json_decref(own);
    return add_rope(config, spec, &rope);
}

int as_config_rope_of_base(as_config *config, as_model_spec *spec, int rope, double theta)
{
    if (rope < 0) return rope;
    as_rope_spec other = spec->ropes[rope];
    other.theta = theta;
    return add_rope(config, spec, &other);
}

/* Entry `layer` of a list of one for each layer; NULL where the field is no list. */
static const json_t *layer_entry(as_config *config, const char *key, int64_t layer, int64_t layers)
{
    json_t *list = json_object_get(config->root, key);
    if (!json_is_array(list) || (int64_t)json_array_size(list) != layers) {
        as_config_fail(config, AS_E_INPUT, "\"%s\" must be a list with one entry for each of the %lld layers",
                       key, (long long)layers);
        return NULL;
    }
    return json_array_get(list, (size_t)layer);
}

const char *as_config_layer_name(as_config *config, const char *key, int64_t layer, int64_t layers)
{
    if (!as_config_has(config, key)) return NULL;
    const char *name = json_string_value(layer_entry(config, key, layer, layers));
    if (!name) as_config_fail(config, AS_E_INPUT, "\"%s\"[%lld] is not a string", key, (long long)layer);
    return name;
}

/* Older names that transformers reads everywhere as newer ones (remap_legacy_layer_types). */
const char *as_config_layer_type(as_config *config, int64_t layer, int64_t layers)
{
    static const char *const renamed[][2] = {{"attention", "full_attention"},
                                             {"mamba", "linear_attention"},
                                             {"deepseek_sparse_attention", "indexed_attention"},
                                             {"qwen_sparse_attention", "indexed_attention"}};
    const char *name = as_config_layer_name(config, "layer_types", layer, layers);
    for (size_t i = 0; name && i < sizeof renamed / sizeof renamed[0]; i++) {
        if (strcmp(name, renamed[i][0]) == 0) return renamed[i][1];
    }
    return name;
}

int64_t as_config_layer_size(as_config *config, const char *key, int64_t layer, int64_t layers,
                             int64_t otherwise, int64_t most)
{
    if (!json_is_array(json_object_get(config->root, key))) {
        return as_config_size_or(config, key, otherwise, most);
    }
    const json_t *entry = layer_entry(config, key, layer, layers);
    if (entry && !json_is_integer(entry)) {
        as_config_fail(config, AS_E_INPUT, "\"%s\"[%lld] is not an integer", key, (long long)layer);
    }
    return check_size(config, key, json_is_integer(entry) ? json_integer_value(entry) : 1, most);
}

bool as_config_lists(as_config *config, const char *key, int64_t number)
{
    if (!as_config_has(config, key)) return false;
    json_t *list = json_object_get(config->root, key), *entry;
    size_t i;
    if (!json_is_array(list)) as_config_fail(config, AS_E_INPUT, "\"%s\" is not a list", key);
    json_array_foreach(list, i, entry)
    {
        if (!json_is_integer(entry)) {
            as_config_fail(config, AS_E_INPUT, "\"%s\"[%zu] is not an integer", key, i);
        } else if (json_integer_value(entry) == number) {
            return true;
        }
    }
    return false;
}
