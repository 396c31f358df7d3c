/* Which tensors a checkpoint of given dimensions holds, from the patterns of architectures.json; see
 * catalog.h. */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "suites/catalog.h"
#include "suites/catalog/expression.h"
#include "suites/catalog/internal.h"

enum { MAX_TENSORS = 200000, MAX_GROUPS = 8, MAX_NAME = 512 };

struct as_tensor_table {
    as_arena arena;
    const json_t *catalog, *dims; /* a reference to dims; the catalogue is the caller's */
    const json_t *architecture;
    as_expected_tensor *tensors; /* sorted by name */
    int64_t count, room, parameters;
    char **ignored; /* patterns */
    int64_t ignored_count;
};

/* Where a pattern stands: the values of its running names. */
typedef struct place {
    const json_t *dims;
    int64_t layer, expert;
} place;

static bool is_name(const char *name, size_t size, const char *text)
{
    return strlen(text) == size && memcmp(name, text, size) == 0;
}

static bool look_up(const void *context, const char *name, size_t size, int64_t *out)
{
    const place *at = context;
    char copy[64];
    if (is_name(name, size, "layer")) {
        *out = at->layer;
        return true;
    }
    if (size >= sizeof copy) return false;
    memcpy(copy, name, size);
    copy[size] = 0;
    return as_dims_get(at->dims, copy, out);
}

/* The pattern with {layer}, {expert} and {layers} filled in. */
static void fill_name(const char *pattern, const place *at, char *out, size_t room)
{
    const struct {
        const char *word;
        int64_t value;
    } words[] = {
        {"{layer}", at->layer}, {"{expert}", at->expert}, {"{layers}", as_dims_value(at->dims, "layers")}};
    size_t used = 0;
    while (*pattern && used + 24 < room) {
        size_t w = 0;
        while (w < 3 && strncmp(pattern, words[w].word, strlen(words[w].word)) != 0) w++;
        if (w == 3) {
            out[used++] = *pattern++;
        } else {
            used += (size_t)snprintf(out + used, room - used, "%" PRId64, words[w].value);
            pattern += strlen(words[w].word);
        }
    }
    out[used] = 0;
}

static as_code evaluate(const json_t *pattern, const char *key, const place *at, int64_t absent, int64_t *out,
                        as_error *err)
{
    const char *text = json_string_value(json_object_get(pattern, key));
    *out = absent;
    if (!text) return AS_OK;
    as_code rc = as_expression_evaluate(text, look_up, at, out, err);
    return rc == AS_E_NOT_FOUND ? as_fail(err, AS_E_INPUT, "the dimension \"%s\" is not stated", err->text)
                                : rc;
}

static as_code find_shape(const json_t *pattern, const place *at, as_expected_tensor *t, int64_t *elements,
                          as_error *err)
{
    size_t i;
    json_t *formula;
    *elements = 1;
    json_array_foreach(json_object_get(pattern, "shape"), i, formula)
    {
        int64_t *extent = &t->shape[t->dims++];
        as_code rc = as_expression_evaluate(json_string_value(formula), look_up, at, extent, err);
        if (rc == AS_E_NOT_FOUND) {
            return as_fail(err, AS_E_INPUT, "the dimension \"%s\" is not stated", err->text);
        }
        if (rc != AS_OK) return rc;
        if (*extent < 1 || __builtin_mul_overflow(*elements, *extent, elements)) {
            return as_fail(err, AS_E_INPUT, "%s has an extent of %" PRId64,
                           json_string_value(json_object_get(pattern, "name")), *extent);
        }
    }
    return AS_OK;
}

static as_code add_tensor(as_tensor_table *table, const char *pattern, const place *at,
                          const as_expected_tensor *like, int64_t elements, as_error *err)
{
    char name[MAX_NAME];
    if (table->count >= MAX_TENSORS) {
        return as_fail(err, AS_E_LIMIT, "config.json asks for more than %d tensors", MAX_TENSORS);
    }
    if (table->count == table->room) {
        int64_t room = table->room ? table->room * 2 : 256;
        as_expected_tensor *grown = as_realloc(table->tensors, (size_t)room * sizeof *grown);
        if (!grown) return as_fail_memory(err, "the table of expected tensors");
        table->tensors = grown;
        table->room = room;
    }
    fill_name(pattern, at, name, sizeof name);
    as_expected_tensor *t = &table->tensors[table->count];
    *t = *like;
    if (!(t->name = as_arena_strdup(&table->arena, name))) {
        return as_fail_memory(err, "the table of expected tensors");
    }
    if (!like->optional && __builtin_add_overflow(table->parameters, elements, &table->parameters)) {
        return as_fail(err, AS_E_INPUT, "config.json asks for more than 2^63 parameters");
    }
    table->count++;
    return AS_OK;
}

/* One pattern in one layer: nothing, one tensor, or one for each expert. */
static as_code add_in_layer(as_tensor_table *table, const json_t *pattern, int64_t layer, as_error *err)
{
    place at = {.dims = table->dims, .layer = layer};
    const char *name = json_string_value(json_object_get(pattern, "name"));
    int64_t wanted, optional, elements;
    AS_TRY(evaluate(pattern, "if", &at, 1, &wanted, err));
    if (!wanted) return AS_OK;
    AS_TRY(evaluate(pattern, "optional", &at, 0, &optional, err));
    as_expected_tensor t = {.optional = optional != 0, .embedding = json_object_get(pattern, "role") != NULL};
    AS_TRY(find_shape(pattern, &at, &t, &elements, err));
    int64_t experts = strstr(name, "{expert}") ? as_dims_value(table->dims, "experts") : 1;
    for (; at.expert < experts; at.expert++) {
        AS_TRY(add_tensor(table, name, &at, &t, elements, err));
    }
    return AS_OK;
}

static as_code add_pattern(as_tensor_table *table, const json_t *pattern, as_error *err)
{
    const char *name = json_string_value(json_object_get(pattern, "name"));
    int64_t layers = strstr(name, "{layer}") ? as_dims_value(table->dims, "layers") : 1;
    if (layers > MAX_TENSORS) {
        return as_fail(err, AS_E_LIMIT, "config.json asks for %" PRId64 " layers", layers);
    }
    for (int64_t layer = 0; layer < layers; layer++) AS_TRY(add_in_layer(table, pattern, layer, err));
    return AS_OK;
}

/* Items are patterns, or the names of groups of items. */
static as_code add_items(as_tensor_table *table, const json_t *items, int depth, as_error *err)
{
    AS_BUG(depth > MAX_GROUPS);
    const json_t *groups = json_object_get(json_object_get(table->catalog, "architectures"), "groups");
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        if (json_is_string(item)) {
            const json_t *group = json_object_get(groups, json_string_value(item));
            AS_BUG(!group);
            AS_TRY(add_items(table, group, depth + 1, err));
        } else {
            AS_TRY(add_pattern(table, item, err));
        }
    }
    return AS_OK;
}

static as_code add_ignored(as_tensor_table *table, as_error *err)
{
    const json_t *lists[] = {json_object_get(json_object_get(table->catalog, "architectures"), "ignore"),
                             json_object_get(table->architecture, "ignore")};
    size_t room = json_array_size(lists[0]) + json_array_size(lists[1]);
    place at = {.dims = table->dims};
    table->ignored = AS_ARENA_NEW_ARRAY(&table->arena, char *, room + 1);
    if (!table->ignored) return as_fail_memory(err, "patterns");
    for (size_t l = 0; l < 2; l++) {
        size_t i;
        json_t *pattern;
        json_array_foreach(lists[l], i, pattern)
        {
            char name[MAX_NAME];
            fill_name(json_string_value(pattern), &at, name, sizeof name);
            char *kept = as_arena_strdup(&table->arena, name);
            if (!kept) return as_fail_memory(err, "patterns");
            table->ignored[table->ignored_count++] = kept;
        }
    }
    return AS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const as_expected_tensor *)a)->name, ((const as_expected_tensor *)b)->name);
}

as_code as_tensor_table_new(const json_t *catalog, const json_t *dims, as_tensor_table **out, as_error *err)
{
    const json_t *architecture = as_catalog_architecture(catalog, dims);
    if (!json_object_get(architecture, "tensors")) {
        return as_fail(err, AS_E_UNSUPPORTED, "the tensors of this architecture are not known");
    }
    as_tensor_table *table = AS_NEW(as_tensor_table);
    if (!table) return as_fail_memory(err, "the table of expected tensors");
    as_arena_init(&table->arena, 0);
    table->catalog = catalog;
    table->dims = json_incref((json_t *)dims);
    table->architecture = architecture;
    as_code rc = add_items(table, json_object_get(architecture, "tensors"), 0, err);
    if (rc == AS_OK) rc = add_ignored(table, err);
    if (rc != AS_OK) {
        as_tensor_table_free(table);
        return rc;
    }
    qsort(table->tensors, (size_t)table->count, sizeof *table->tensors, by_name);
    *out = table;
    return AS_OK;
}

void as_tensor_table_free(as_tensor_table *table)
{
    if (!table) return;
    json_decref((json_t *)table->dims);
    as_free(table->tensors);
    as_arena_free(&table->arena);
    as_free(table);
}

int64_t as_tensor_table_count(const as_tensor_table *table)
{
    return table->count;
}

const as_expected_tensor *as_tensor_table_at(const as_tensor_table *table, int64_t i)
{
    return &table->tensors[i];
}

int64_t as_tensor_table_parameters(const as_tensor_table *table)
{
    return table->parameters;
}

static const as_expected_tensor *find_exactly(const as_tensor_table *table, const char *name)
{
    as_expected_tensor wanted = {.name = name};
    return bsearch(&wanted, table->tensors, (size_t)table->count, sizeof wanted, by_name);
}

/* With the first prefix of a rule that leads to an entry replaced. */
static const as_expected_tensor *find_renamed(const as_tensor_table *table, const json_t *rules,
                                              const char *name)
{
    size_t i;
    json_t *rule;
    json_array_foreach(rules, i, rule)
    {
        const char *from = json_string_value(json_array_get(rule, 0));
        const char *to = json_string_value(json_array_get(rule, 1));
        char renamed[MAX_NAME];
        if (strncmp(name, from, strlen(from)) != 0) continue;
        int size = snprintf(renamed, sizeof renamed, "%s%s", to, name + strlen(from));
        const as_expected_tensor *found = size < (int)sizeof renamed ? find_exactly(table, renamed) : NULL;
        if (found) return found;
    }
    return NULL;
}

const as_expected_tensor *as_tensor_table_find(const as_tensor_table *table, const char *name)
{
    const as_expected_tensor *found = find_exactly(table, name);
    if (!found) found = find_renamed(table, json_object_get(table->architecture, "rename"), name);
    const json_t *shared = json_object_get(json_object_get(table->catalog, "architectures"), "rename");
    return found ? found : find_renamed(table, shared, name);
}

bool as_tensor_table_ignores(const as_tensor_table *table, const char *name)
{
    for (int64_t i = 0; i < table->ignored_count; i++) {
        if (fnmatch(table->ignored[i], name, 0) == 0) return true;
    }
    return false;
}
