/* The families known, and how a config.json finds its own. */
#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/arch/text_parts.h"
#include "engine/engine.h"

#define AS_FAMILY(name) extern const as_family as_family_##name;
#include "engine/arch/families.def"
#undef AS_FAMILY

const as_family *const as_families[] = {
#define AS_FAMILY(name) &as_family_##name,
#include "engine/arch/families.def"
#undef AS_FAMILY
    NULL,
};

void as_model_spec_free(as_model_spec *spec)
{
    as_arena_free(&spec->arena);
}

/* The i-th name of all, and its family; NULL past the last. */
static const char *name_at(int64_t i, const as_family **family)
{
    for (const as_family *const *at = as_families; *at; at++) {
        for (const char *const *name = (*at)->architectures; *name; name++) {
            *family = *at;
            if (i-- == 0) return *name;
        }
    }
    *family = &as_family_text_part;
    return as_text_part_at(i);
}

const char *as_architecture_at(int64_t i)
{
    const as_family *family;
    return name_at(i, &family);
}

/* Levenshtein's distance between two names, cut off at 63 bytes. */
static int distance(const char *a, const char *b)
{
    int row[64];
    size_t n = strnlen(a, 63), m = strnlen(b, 63);
    for (size_t j = 0; j <= m; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[m];
}

typedef struct refused {
    const char *architecture, *why;
} refused;

static const refused all_refused[] = {
#define AS_REFUSED(architecture, why) {#architecture, why},
#include "engine/arch/refused.def"
#undef AS_REFUSED
};

/* Why a class that is known is not run; NULL: it is another. */
static const char *why_refused(const char *name)
{
    for (size_t i = 0; i < sizeof all_refused / sizeof all_refused[0]; i++) {
        if (strcmp(name, all_refused[i].architecture) == 0) return all_refused[i].why;
    }
    return NULL;
}

/* A repository whose auto_map points to modules of its own asks for trust_remote_code: nothing of it is run,
 * so that what is served is what assay implements itself. */
static as_code unknown(const char *name, bool own_code, as_error *err)
{
    const char *nearest = "", *known, *why = why_refused(name);
    if (why) {
        return as_fail(err, AS_E_UNSUPPORTED,
                       "config.json: architecture \"%.100s\" is known and not supported: %s", name, why);
    }
    const as_family *family;
    int least = 1000;
    for (int64_t i = 0; (known = name_at(i, &family)); i++) {
        int here = distance(name, known);
        if (here < least) {
            least = here;
            nearest = known;
        }
    }
    if (own_code) {
        return as_fail(err, AS_E_UNSUPPORTED,
                       "config.json: architecture \"%.100s\" is defined by the repository's own code "
                       "(\"auto_map\", trust_remote_code), which is never executed, and is not among those "
                       "implemented here; the nearest known is %s (`assay catalog` lists all)",
                       name, nearest);
    }
    return as_fail(err, AS_E_UNSUPPORTED,
                   "config.json: architecture \"%.100s\" is not known; the nearest known is %s "
                   "(`assay catalog` lists all)",
                   name, nearest);
}

/* Whether a class is the one that generates text of a model_type: the same letters, "gpt_neox" being
 * GPTNeoXForCausalLM. A text part's type ends in "_text". */
static bool is_class_of(const char *name, const char *model_type)
{
    size_t length = strlen(model_type);
    if (length > 5 && strcmp(model_type + length - 5, "_text") == 0) length -= 5;
    for (size_t i = 0; i < length; i++) {
        if (model_type[i] == '_' || model_type[i] == '-') continue;
        while (*name == '_') name++;
        if (tolower((unsigned char)*name++) != tolower((unsigned char)model_type[i])) return false;
    }
    return strcmp(name, "ForCausalLM") == 0 || strcmp(name, "LMHeadModel") == 0;
}

static const char *class_of(const char *model_type)
{
    for (const as_family *const *family = as_families; *family; family++) {
        for (const char *const *name = (*family)->architectures; *name; name++) {
            if (is_class_of(*name, model_type)) return *name;
        }
    }
    return NULL;
}

static bool find_named(const char *name, const as_family **out)
{
    const char *known;
    for (int64_t i = 0; (known = name_at(i, out)); i++) {
        if (strcmp(name, known) == 0) return true;
    }
    return false;
}

/* The class is what "architectures" names first. Where it names none (a configuration saved without its
 * model), or one that is neither known nor the repository's own code (BloomModel, LLaMAForCausalLM), the
 * model_type tells, as in transformers; tensors that this class lacks are refused later. */
static as_code find_family(const json_t *root, const as_family **out, const char **name, as_error *err)
{
    const json_t *list = json_object_get(root, "architectures");
    const char *first = json_string_value(json_array_get(list, 0)),
               *type = json_string_value(json_object_get(root, "model_type"));
    bool none = !list || json_is_null(list) || (json_is_array(list) && !json_array_size(list));
    bool own_code = json_object_size(json_object_get(root, "auto_map")) > 0;
    if (!first && !none) type = NULL;
    *name = first;
    if (first && find_named(first, out)) return AS_OK;
    if (type && (none || !own_code)) *name = class_of(type);
    if (*name && find_named(*name, out)) return AS_OK;
    if (first) return unknown(first, own_code, err);
    return as_fail(err, AS_E_INPUT,
                   "config.json: \"architectures\" is missing or empty: it must name the model's "
                   "class, as in [\"LlamaForCausalLM\"]");
}

as_code as_spec_from_config(const json_t *root, as_model_spec *out, as_error *err)
{
    const as_family *family = NULL;
    const char *name = NULL;
    if (!json_is_object(root)) return as_fail(err, AS_E_INPUT, "config.json: not a JSON object");
    AS_TRY(find_family(root, &family, &name, err));
    as_model_spec spec = {.rope_count = 0};
    as_config config;
    const json_t *nested = family->nested ? json_object_get(root, family->nested) : NULL;
    as_config_init(&config, json_is_object(nested) ? nested : root);
    config.outer = root;
    as_arena_init(&spec.arena, (size_t)1 << 30);
    spec.architecture = as_arena_strdup(&spec.arena, name);
    spec.model_type = as_arena_strdup(&spec.arena, as_config_string(&config, "model_type", ""));
    if (!spec.architecture || !spec.model_type) {
        as_model_spec_free(&spec);
        return as_fail_memory(err, "the model's description");
    }
    family->describe(&config, &spec);
    if (config.rc == AS_OK) as_spec_follow_gguf(&config, root, &spec);
    as_code rc = as_config_check(&config, err);
    if (rc != AS_OK) {
        as_model_spec_free(&spec);
        return rc;
    }
    *out = spec;
    return AS_OK;
}
