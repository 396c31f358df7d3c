/* Documents; see documents.h. */
#include "suites/common/documents.h"

#include <stdio.h>
#include <string.h>

#include "base/embed.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"

enum { FILE_MAX = 256 << 20, SHUFFLE_STREAM = 0xD0C5 };
static const char CUT[] = "\n----\n";

extern const as_embedded as_builtin_texts[]; /* the files of text/ */

void as_documents_free(as_documents *documents)
{
    for (int64_t i = 0; i < documents->count; i++) {
        as_free(documents->items[i].domain);
        as_free(documents->items[i].text);
    }
    as_free(documents->items);
    *documents = (as_documents){0};
}

static as_code add(as_documents *documents, const char *domain, const char *text, size_t size, as_error *err)
{
    while (size && (*text == '\n' || *text == ' ')) text++, size--;
    if (size == 0) return AS_OK;
    if ((documents->count & (documents->count - 1)) == 0) {
        int64_t room = documents->count ? 2 * documents->count : 1;
        as_document *items = as_realloc(documents->items, (size_t)room * sizeof *items);
        if (!items) return as_fail_memory(err, "documents");
        documents->items = items;
    }
    as_document item = {as_strdup(domain), as_strndup(text, size), size};
    if (!item.domain || !item.text) {
        as_free(item.domain);
        as_free(item.text);
        return as_fail_memory(err, "a document");
    }
    documents->items[documents->count++] = item;
    return AS_OK;
}

static as_code add_cut(as_documents *documents, const char *domain, const char *text, size_t size,
                       as_error *err)
{
    while (size) {
        const char *cut = memmem(text, size, CUT, sizeof CUT - 1);
        size_t part = cut ? (size_t)(cut - text) : size;
        AS_TRY(add(documents, domain, text, part, err));
        size_t step = cut ? part + sizeof CUT - 1 : size;
        text += step;
        size -= step;
    }
    return AS_OK;
}

static as_code load_json(as_documents *documents, const char *path, as_error *err)
{
    json_t *file, *item;
    size_t at;
    AS_TRY(as_json_read(path, AS_JSON_LENIENT, FILE_MAX, &file, err));
    const json_t *list = json_is_object(file) ? json_object_get(file, "documents") : file;
    as_code rc = AS_OK;
    if (!json_is_array(list)) {
        rc = as_fail(err, AS_E_INPUT, "%s: expected a list of {\"domain\", \"text\"}", path);
    }
    json_array_foreach(list, at, item)
    {
        const json_t *text = json_is_string(item) ? item : json_object_get(item, "text");
        const char *domain = json_string_value(json_object_get(item, "domain"));
        if (!json_is_string(text)) {
            rc = as_fail(err, AS_E_INPUT, "%s: document %zu has no \"text\"", path, at);
        } else if (rc == AS_OK) {
            rc = add(documents, domain ? domain : "text", json_string_value(text), json_string_length(text),
                     err);
        }
        if (rc != AS_OK) break;
    }
    json_decref(file);
    return rc;
}

/* "text/prose.txt" is of the domain "prose". */
static void domain_of(const char *path, char room[static 64])
{
    const char *base = as_path_base(path), *dot = strrchr(base, '.');
    snprintf(room, 64, "%.*s", (int)(dot ? dot - base : (ptrdiff_t)strlen(base)), base);
}

static as_code load_text(as_documents *documents, const char *path, as_error *err)
{
    as_buf text;
    as_buf_init(&text, FILE_MAX);
    as_code rc = as_file_read(path, &text, err);
    char domain[64];
    domain_of(path, domain);
    if (rc == AS_OK) rc = add_cut(documents, domain, text.data, text.size, err);
    as_buf_free(&text);
    return rc;
}

static bool ends_with(const char *text, const char *tail)
{
    size_t size = strlen(text), part = strlen(tail);
    return size >= part && strcmp(text + size - part, tail) == 0;
}

static as_code load_directory(as_documents *documents, const char *path, as_error *err)
{
    char file[AS_PATH_MAX];
    AS_TRY(as_path_join(file, path, "heldout.json", err));
    if (as_file_exists(file)) return load_json(documents, file, err);
    char **names;
    size_t count;
    AS_TRY(as_dir_list(path, &names, &count, err));
    as_code rc = AS_OK;
    for (size_t i = 0; i < count && rc == AS_OK; i++) {
        if (!ends_with(names[i], ".txt")) continue;
        rc = as_path_join(file, path, names[i], err);
        if (rc == AS_OK) rc = load_text(documents, file, err);
    }
    as_names_free(names, count);
    return rc;
}

static as_code load_builtin(as_documents *documents, as_error *err)
{
    for (const as_embedded *file = as_builtin_texts; file->name; file++) {
        char domain[64];
        domain_of(file->name, domain);
        AS_TRY(add_cut(documents, domain, (const char *)file->data, file->size, err));
    }
    return AS_OK;
}

static void shuffle(as_documents *documents, uint64_t seed)
{
    as_rng rng;
    as_rng_init(&rng, seed, SHUFFLE_STREAM);
    for (int64_t i = documents->count - 1; i > 0; i--) {
        int64_t other = (int64_t)as_rng_below(&rng, (uint64_t)i + 1);
        as_document keep = documents->items[i];
        documents->items[i] = documents->items[other];
        documents->items[other] = keep;
    }
}

as_code as_documents_load(const char *path, uint64_t seed, as_documents *out, as_error *err)
{
    as_documents documents = {0};
    as_code rc;
    if (!path)
        rc = load_builtin(&documents, err);
    else if (as_dir_exists(path))
        rc = load_directory(&documents, path, err);
    else if (ends_with(path, ".json"))
        rc = load_json(&documents, path, err);
    else
        rc = load_text(&documents, path, err);
    if (rc == AS_OK && documents.count == 0) {
        rc = as_fail(err, AS_E_INPUT, "%s: no documents: expected heldout.json or *.txt with text in them",
                     path);
    }
    if (rc != AS_OK) {
        as_documents_free(&documents);
        return rc;
    }
    shuffle(&documents, seed);
    snprintf(documents.source, sizeof documents.source, "%s", path ? as_path_base(path) : "built-in text");
    *out = documents;
    return AS_OK;
}

as_code as_document_tokens(const as_document *document, as_target *target, int64_t most, int32_t **tokens,
                           int64_t *count, as_error *err)
{
    AS_TRY(target->ops->tokenize(target, document->text, document->size, true, tokens, count, err));
    if (*count > most) *count = most;
    return AS_OK;
}
