/* A model repository on disk; see repository.h. */
#include "engine/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/load/gguf_model.h"

enum {
    MAX_FILES = 100000,
    MAX_SHARDS = 10000,
    LENGTH_BYTES = 8,
    MAX_HEADER = 100000000,
    MAX_CONFIG = 16 << 20,
    MAX_INDEX = 64 << 20
};

static const char weight_suffix[] = ".safetensors", index_suffix[] = ".safetensors.index.json",
                  main_weights[] = "model.safetensors", main_index[] = "model.safetensors.index.json";

typedef struct name_list {
    char **names;
    int64_t count, room;
} name_list;

/* What the caller sees, and behind it what it needs. */
typedef struct repository {
    as_repository public;
    char *path;
    char root[PATH_MAX], blobs[PATH_MAX]; /* resolved; blobs is empty outside a hub cache */
    name_list files, outside;
    int64_t shard_count;      /* how many of the weight files the index names: the first */
    json_t **names;           /* of each weight file: what its tensors point into */
    as_map *maps;             /* of each weight file, empty until asked for */
    const as_tensor **sorted; /* all tensors by name, then file */
    int64_t sorted_count;
    as_gguf_parts gguf;   /* of a GGUF file, whose maps are used instead of `maps` */
    pthread_mutex_t lock; /* of maps */
} repository;

static bool ends_with(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n > m && strcmp(text + n - m, suffix) == 0;
}

static as_code add_name(name_list *list, const char *name, as_error *err)
{
    if (list->count == list->room) {
        int64_t room = list->room ? list->room * 2 : 32;
        char **grown = as_realloc(list->names, (size_t)room * sizeof *grown);
        if (!grown) return as_fail_memory(err, "the list of files");
        list->names = grown;
        list->room = room;
    }
    if (!(list->names[list->count] = as_strdup(name))) return as_fail_memory(err, "the list of files");
    list->count++;
    return AS_OK;
}

/* Files and links. */

static bool is_inside(const char *path, const char *root)
{
    size_t n = strlen(root);
    return n && strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == 0 || root[n - 1] == '/');
}

/* A hub cache keeps files in MODEL/blobs and links to them from MODEL/snapshots/REVISION. */
static void find_blobs(repository *repo)
{
    char path[PATH_MAX + 16];
    const char *parent = strrchr(repo->root, '/');
    static const char snapshots[] = "/snapshots";
    size_t n = sizeof snapshots - 1;
    if (!parent || (size_t)(parent - repo->root) < n || memcmp(parent - n, snapshots, n) != 0) return;
    snprintf(path, sizeof path, "%.*s/blobs", (int)(parent - n - repo->root), repo->root);
    if (!realpath(path, repo->blobs)) repo->blobs[0] = 0;
}

typedef enum { PLACE_GONE, PLACE_INSIDE, PLACE_OUTSIDE } place;

static place locate(const repository *repo, const char *path)
{
    char real[PATH_MAX];
    if (!realpath(path, real)) return PLACE_GONE;
    return is_inside(real, repo->root) || is_inside(real, repo->blobs) ? PLACE_INSIDE : PLACE_OUTSIDE;
}

static as_code list_dir(repository *repo, const char *prefix, int depth, as_error *err);

static as_code list_entry(repository *repo, const char *name, int depth, as_error *err)
{
    char path[AS_PATH_MAX];
    if (as_path_join(path, repo->path, name, NULL) != AS_OK) return AS_OK; /* cannot be opened by anyone */
    switch (locate(repo, path)) {
    case PLACE_GONE: return AS_OK;
    case PLACE_OUTSIDE: return add_name(&repo->outside, name, err);
    case PLACE_INSIDE: break;
    }
    struct stat info;
    if (stat(path, &info) != 0) return AS_OK;
    if (S_ISDIR(info.st_mode) && depth == 0 && strcmp(name, ".git") != 0) {
        return list_dir(repo, name, depth + 1, err);
    }
    if (!S_ISREG(info.st_mode)) return AS_OK;
    if (repo->files.count >= MAX_FILES) return as_fail(err, AS_E_LIMIT, "more than %d files", MAX_FILES);
    return add_name(&repo->files, name, err);
}

static as_code list_dir(repository *repo, const char *prefix, int depth, as_error *err)
{
    char path[AS_PATH_MAX], name[AS_PATH_MAX];
    AS_TRY(as_path_join(path, repo->path, prefix, err));
    char **entries;
    size_t count;
    as_code rc = as_dir_list(path, &entries, &count, err);
    if (rc == AS_E_MEMORY || (rc != AS_OK && depth == 0)) return rc;
    if (rc != AS_OK) return AS_OK; /* a folder that cannot be read holds nothing for us */
    for (size_t i = 0; i < count && rc == AS_OK; i++) {
        if (depth == 0) {
            rc = list_entry(repo, entries[i], depth, err);
        } else if (as_path_join(name, prefix, entries[i], NULL) == AS_OK) {
            rc = list_entry(repo, name, depth, err);
        }
    }
    as_names_free(entries, count);
    return rc;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool in_list(const name_list *list, const char *name)
{
    return list->count && bsearch(&name, list->names, (size_t)list->count, sizeof *list->names, by_bytes);
}

static as_code list_files(repository *repo, as_error *err)
{
    AS_TRY(list_dir(repo, ".", 0, err));
    if (repo->files.count) {
        qsort(repo->files.names, (size_t)repo->files.count, sizeof(char *), by_bytes);
    }
    if (repo->outside.count) {
        qsort(repo->outside.names, (size_t)repo->outside.count, sizeof(char *), by_bytes);
    }
    as_repository *seen = &repo->public;
    seen->files = repo->files.names;
    seen->file_count = repo->files.count;
    seen->outside = repo->outside.names;
    seen->outside_count = repo->outside.count;
    return AS_OK;
}

/* Of a file that is not listed: why. */
static as_code fail_absent(const repository *repo, const char *name, as_error *err)
{
    if (in_list(&repo->outside, name)) {
        return as_fail(err, AS_E_INPUT, "%s: a link that leaves the repository, which is not followed", name);
    }
    return as_fail(err, AS_E_NOT_FOUND, "%s: not in the repository", name);
}

/* JSON files. */

static as_code read_json(repository *repo, const char *name, as_json_mode mode, size_t max, as_json_file *out,
                         as_error *err)
{
    char path[AS_PATH_MAX];
    as_code rc;
    if (in_list(&repo->outside, name)) {
        rc = fail_absent(repo, name, &out->problem);
    } else if (!in_list(&repo->files, name)) {
        return AS_OK;
    } else {
        rc = as_path_join(path, repo->path, name, &out->problem);
        if (rc == AS_OK) rc = as_json_read(path, mode, max, &out->value, &out->problem);
        if (rc == AS_OK && !json_is_object(out->value)) {
            json_decref(out->value);
            out->value = NULL;
            rc = as_fail(&out->problem, AS_E_INPUT, "%s: expected an object", name);
        }
    }
    if (rc == AS_E_MEMORY) return as_fail_memory(err, name);
    out->has_problem = rc != AS_OK;
    return AS_OK;
}

static const char *index_name(const repository *repo)
{
    if (in_list(&repo->files, main_index) || in_list(&repo->outside, main_index)) return main_index;
    for (int64_t i = 0; i < repo->files.count; i++) {
        const char *name = repo->files.names[i];
        if (ends_with(name, index_suffix) && !strchr(name, '/')) return name;
    }
    return NULL;
}

static as_code check_index(const json_t *index, as_error *err)
{
    json_t *map = json_object_get(index, "weight_map");
    if (!json_is_object(map)) return as_fail(err, AS_E_INPUT, "\"weight_map\" is missing or not an object");
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value)
    {
        const char *file = json_string_value(value);
        char room[64];
        if (!file || !ends_with(file, weight_suffix) || strchr(file, '/')) {
            return as_fail(err, AS_E_INPUT,
                           "\"%.160s\" is said to be in %s, expected a .safetensors file of this folder", key,
                           as_json_describe(value, room));
        }
    }
    return AS_OK;
}

static as_code read_index(repository *repo, as_error *err)
{
    const char *name = index_name(repo);
    as_json_file *index = &repo->public.index;
    if (!name) return AS_OK;
    AS_TRY(read_json(repo, name, AS_JSON_NO_DUPLICATES, MAX_INDEX, index, err));
    if (!index->value || check_index(index->value, &index->problem) == AS_OK) return AS_OK;
    (void)as_wrap(&index->problem, "%s", name);
    index->has_problem = true;
    json_decref(index->value);
    index->value = NULL;
    return AS_OK;
}

/* Weight files. */

/* The shards that the index names, each once, sorted; a sound index has at most some hundreds. */
static as_code list_shards(repository *repo, name_list *shards, as_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(repo->public.index.value, "weight_map"), key, value)
    {
        const char *file = json_string_value(value);
        /* Tensors of one shard stand together, so this catches nearly all repetitions. */
        if (shards->count && strcmp(shards->names[shards->count - 1], file) == 0) continue;
        AS_TRY(add_name(shards, file, err));
    }
    if (!shards->count) return AS_OK;
    qsort(shards->names, (size_t)shards->count, sizeof(char *), by_bytes);
    int64_t kept = 1;
    for (int64_t i = 1; i < shards->count; i++) {
        if (strcmp(shards->names[kept - 1], shards->names[i]) == 0) {
            as_free(shards->names[i]);
        } else {
            shards->names[kept++] = shards->names[i];
        }
    }
    shards->count = kept;
    return AS_OK;
}

static void free_list(name_list *list)
{
    as_names_free(list->names, (size_t)list->count);
    *list = (name_list){0};
}

static bool is_root_weights(const char *name)
{
    return ends_with(name, weight_suffix) && !strchr(name, '/');
}

/* In the order of as_repository.weights; `list` starts as the index's shards. */
static as_code list_weights(const repository *repo, name_list *list, as_error *err)
{
    name_list named = *list; /* the sorted part */
    const name_list *sources[] = {&repo->files, &repo->outside};
    if (!in_list(&named, main_weights) &&
        (in_list(&repo->files, main_weights) || in_list(&repo->outside, main_weights))) {
        AS_TRY(add_name(list, main_weights, err));
    }
    for (size_t s = 0; s < 2; s++) {
        for (int64_t i = 0; i < sources[s]->count; i++) {
            const char *name = sources[s]->names[i];
            if (!is_root_weights(name) || strcmp(name, main_weights) == 0) continue;
            named.names = list->names; /* the array may have moved */
            if (!in_list(&named, name)) AS_TRY(add_name(list, name, err));
        }
    }
    return AS_OK;
}

static as_code read_exactly(int fd, unsigned char *to, uint64_t size, as_error *err)
{
    for (uint64_t at = 0; at < size;) {
        ssize_t got = pread(fd, to + at, size - at, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return as_fail_sys(err, AS_E_IO, "cannot be read");
        if (got == 0) return as_fail(err, AS_E_IO, "shrank while it was read");
        at += (uint64_t)got;
    }
    return AS_OK;
}

/* The first bytes of the file, enough for its header as far as the length in front can be believed: what
 * is wrong with it is for as_safetensors_parse to say. */
static as_code read_head(int fd, uint64_t size, unsigned char **out, uint64_t *out_size, as_error *err)
{
    unsigned char length[LENGTH_BYTES];
    uint64_t n = 0, want = size < sizeof length ? size : sizeof length;
    AS_TRY(read_exactly(fd, length, want, err));
    if (want == sizeof length) {
        for (int i = LENGTH_BYTES - 1; i >= 0; i--) n = n << 8 | length[i];
        if (n <= size - want && n <= MAX_HEADER) want += n;
    }
    unsigned char *head = as_alloc(want);
    if (!head) return as_fail_memory(err, "a header");
    as_code rc = read_exactly(fd, head, want, err);
    if (rc != AS_OK) {
        as_free(head);
        return rc;
    }
    *out = head;
    *out_size = want;
    return AS_OK;
}

static as_code read_weights_from(int fd, as_weight_file *file, json_t **names, as_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return as_fail_sys(err, AS_E_IO, "cannot be read");
    if (!S_ISREG(info.st_mode)) return as_fail(err, AS_E_INPUT, "not a regular file");
    file->size = (uint64_t)info.st_size;
    unsigned char *head = NULL;
    uint64_t head_size = 0;
    AS_TRY(read_head(fd, file->size, &head, &head_size, err));
    as_tensor *tensors = NULL;
    as_code rc = as_safetensors_parse(head, head_size, file->size, &tensors, &file->tensor_count, names,
                                      &file->header_bytes, err);
    as_free(head);
    file->tensors = tensors;
    if (rc == AS_OK) file->metadata = json_object_get(*names, "__metadata__");
    return rc;
}

static as_code read_weights(repository *repo, int64_t i)
{
    as_weight_file *file = &repo->public.weights[i];
    as_error *err = &file->problem;
    char path[AS_PATH_MAX];
    if (!in_list(&repo->files, file->name)) return fail_absent(repo, file->name, err);
    AS_TRY(as_path_join(path, repo->path, file->name, err));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return as_fail_sys(err, AS_E_IO, "%s", file->name);
    as_code rc = read_weights_from(fd, file, &repo->names[i], err);
    close(fd);
    if (rc != AS_OK) return as_wrap(err, "%s", file->name);
    for (int64_t t = 0; t < file->tensor_count; t++) ((as_tensor *)file->tensors)[t].file = i;
    return AS_OK;
}

static as_code open_weights(repository *repo, name_list *list, as_error *err)
{
    as_repository *seen = &repo->public;
    seen->weights = AS_NEW_ARRAY(as_weight_file, list->count);
    repo->names = AS_NEW_ARRAY(json_t *, list->count);
    repo->maps = AS_NEW_ARRAY(as_map, list->count);
    if (!seen->weights || !repo->names || !repo->maps) return as_fail_memory(err, "the weight files");
    for (int64_t i = 0; i < list->count; i++) {
        seen->weights[i].name = list->names[i];
        list->names[i] = NULL; /* now the weight file's */
        seen->weight_count++;
        as_code rc = read_weights(repo, i);
        if (rc == AS_E_MEMORY) return as_fail_memory(err, seen->weights[i].name);
        seen->weights[i].has_problem = rc != AS_OK;
    }
    return AS_OK;
}

static as_code find_weights(repository *repo, as_error *err)
{
    name_list list = {0};
    as_json_file *index = &repo->public.index;
    as_code rc = list_shards(repo, &list, err);
    if (rc == AS_OK && list.count > MAX_SHARDS) {
        index->has_problem = true;
        (void)as_fail(&index->problem, AS_E_LIMIT, "the index names %" PRId64 " files, at most %d are read",
                      list.count, MAX_SHARDS);
        json_decref(index->value);
        index->value = NULL;
        free_list(&list);
    }
    repo->shard_count = list.count;
    if (rc == AS_OK) rc = list_weights(repo, &list, err);
    if (rc == AS_OK) rc = open_weights(repo, &list, err);
    free_list(&list);
    return rc;
}

/* The table for as_repository_find. */

static int by_name(const void *a, const void *b)
{
    const as_tensor *x = *(const as_tensor *const *)a, *y = *(const as_tensor *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->file > y->file) - (x->file < y->file);
}

static bool has_weights(const as_repository *seen, const char *name)
{
    for (int64_t i = 0; i < seen->weight_count; i++) {
        if (strcmp(seen->weights[i].name, name) == 0) return true;
    }
    return false;
}

/* Which files make the model, as transformers loads it: those that the index names; without one,
 * model.safetensors alone where it exists. */
static bool is_loaded(const repository *repo, int64_t file, bool single)
{
    if (repo->public.index.value) return file < repo->shard_count;
    return !single || strcmp(repo->public.weights[file].name, main_weights) == 0;
}

static as_code sort_tensors(repository *repo, as_error *err)
{
    const as_repository *seen = &repo->public;
    bool single = !seen->index.value && has_weights(seen, main_weights);
    for (int64_t i = 0; i < seen->weight_count; i++) {
        as_weight_file *file = &seen->weights[i];
        file->loaded = is_loaded(repo, i, single);
        if (file->loaded) repo->sorted_count += file->tensor_count;
    }
    repo->sorted = AS_NEW_ARRAY(const as_tensor *, repo->sorted_count);
    if (!repo->sorted) return as_fail_memory(err, "the table of tensors");
    int64_t at = 0;
    for (int64_t i = 0; i < seen->weight_count; i++) {
        const as_weight_file *file = &seen->weights[i];
        if (!file->loaded) continue;
        for (int64_t t = 0; t < file->tensor_count; t++) repo->sorted[at++] = &file->tensors[t];
    }
    qsort(repo->sorted, (size_t)at, sizeof *repo->sorted, by_name);
    return AS_OK;
}

/* GGUF files. */

/* The tensors of one part. */
static as_code read_part(repository *repo, int64_t i)
{
    as_weight_file *file = &repo->public.weights[i];
    const as_gguf_file *part = &repo->gguf.files[i];
    as_tensor *tensors = NULL;
    file->size = part->map.size;
    file->header_bytes = part->gguf.header_bytes;
    as_code rc = as_gguf_tensors(&part->gguf, &tensors, &file->tensor_count, &file->problem);
    if (rc != AS_OK) return as_wrap(&file->problem, "%s", file->name);
    for (int64_t t = 0; t < file->tensor_count; t++) tensors[t].file = i;
    file->tensors = tensors;
    return AS_OK;
}

static as_code read_gguf(repository *repo)
{
    as_weight_file *first = &repo->public.weights[0];
    as_json_file *config = &repo->public.config;
    as_code rc = as_gguf_config(&repo->gguf.whole, &config->value, &config->problem);
    config->has_problem = rc != AS_OK;
    if (rc != AS_OK) {
        (void)as_wrap(&config->problem, "%s", first->name);
        first->problem = config->problem;
        first->has_problem = true;
        return rc;
    }
    for (int64_t i = 0; i < repo->public.weight_count; i++) {
        rc = read_part(repo, i);
        repo->public.weights[i].has_problem = rc != AS_OK;
        if (rc == AS_E_MEMORY) return rc;
    }
    return AS_OK;
}

/* The path of part i, or of the one file. */
static as_code add_part(repository *repo, int64_t i, as_error *err)
{
    char path[AS_PATH_MAX];
    AS_TRY(as_gguf_part_path(repo->path, (int)i + 1, path, err));
    AS_TRY(add_name(&repo->files, as_path_base(path), err));
    repo->public.weights[i].name = as_strdup(as_path_base(path));
    if (!repo->public.weights[i].name) return as_fail_memory(err, "the weight files");
    repo->public.weight_count++;
    return AS_OK;
}

static as_code open_gguf(repository *repo, as_error *err)
{
    as_repository *seen = &repo->public;
    char path[AS_PATH_MAX];
    as_error problem = {0};
    as_code opened = as_gguf_parts_open(repo->path, &repo->gguf, &problem);
    if (opened == AS_E_MEMORY) return as_fail_memory(err, repo->path);
    if (opened == AS_OK) { /* a part was named: the first one stands for all */
        AS_TRY(as_gguf_part_path(repo->path, 1, path, err));
        char *first = as_strdup(path);
        if (!first) return as_fail_memory(err, "a path");
        as_free(repo->path);
        seen->path = repo->path = first;
    }
    int64_t count = opened == AS_OK ? repo->gguf.count : 1;
    seen->weights = AS_NEW_ARRAY(as_weight_file, count);
    repo->names = AS_NEW_ARRAY(json_t *, count);
    repo->maps = AS_NEW_ARRAY(as_map, count);
    if (!seen->weights || !repo->names || !repo->maps) return as_fail_memory(err, "the weight files");
    for (int64_t i = 0; i < count; i++) AS_TRY(add_part(repo, i, err));
    seen->files = repo->files.names;
    seen->file_count = repo->files.count;
    if (opened != AS_OK) {
        seen->weights[0].problem = problem;
        seen->weights[0].has_problem = true;
    } else if (read_gguf(repo) == AS_E_MEMORY) {
        return as_fail_memory(err, seen->weights[0].name);
    }
    return sort_tensors(repo, err);
}

/* Public functions. */

static as_code open_all(repository *repo, as_error *err)
{
    if (!realpath(repo->path, repo->root)) {
        return as_fail_sys(err, errno == ENOENT || errno == ENOTDIR ? AS_E_NOT_FOUND : AS_E_IO, "%s",
                           repo->path);
    }
    if (as_file_exists(repo->root) && as_gguf_is_name(repo->path)) return open_gguf(repo, err);
    if (!as_dir_exists(repo->root)) {
        return as_fail(err, AS_E_NOT_FOUND, "%s: neither a directory with a config.json nor a .gguf file",
                       repo->path);
    }
    find_blobs(repo);
    AS_TRY(list_files(repo, err));
    as_repository *seen = &repo->public;
    AS_TRY(read_json(repo, "config.json", AS_JSON_LENIENT, MAX_CONFIG, &seen->config, err));
    AS_TRY(read_json(repo, "generation_config.json", AS_JSON_LENIENT, MAX_CONFIG, &seen->generation_config,
                     err));
    AS_TRY(read_index(repo, err));
    AS_TRY(find_weights(repo, err));
    return sort_tensors(repo, err);
}

as_code as_repository_open(const char *path, as_repository **out, as_error *err)
{
    repository *repo = AS_NEW(repository);
    if (!repo) return as_fail_memory(err, "a repository");
    pthread_mutex_init(&repo->lock, NULL);
    repo->public.path = repo->path = as_strdup(path);
    as_code rc = repo->path ? open_all(repo, err) : as_fail_memory(err, "a path");
    if (rc != AS_OK) {
        as_repository_close(&repo->public);
        return rc;
    }
    *out = &repo->public;
    return AS_OK;
}

void as_repository_close(as_repository *seen)
{
    if (!seen) return;
    repository *repo = (repository *)seen; /* its first member */
    for (int64_t i = 0; i < seen->weight_count; i++) {
        as_map_close(&repo->maps[i]);
        as_free((void *)seen->weights[i].tensors);
        json_decref(repo->names[i]);
        as_free((void *)seen->weights[i].name);
    }
    as_free(seen->weights);
    as_free(repo->maps);
    as_free(repo->names);
    as_free(repo->sorted);
    json_decref(seen->config.value);
    json_decref(seen->generation_config.value);
    json_decref(seen->index.value);
    free_list(&repo->files);
    free_list(&repo->outside);
    as_gguf_parts_close(&repo->gguf);
    pthread_mutex_destroy(&repo->lock);
    as_free(repo->path);
    as_free(repo);
}

const as_tensor *as_repository_find(const as_repository *seen, const char *name)
{
    const repository *repo = (const repository *)seen;
    const json_t *map = json_object_get(seen->index.value, "weight_map");
    const char *shard = json_string_value(json_object_get(map, name));
    int64_t low = 0, high = repo->sorted_count;
    while (low < high) { /* the first of that name */
        int64_t middle = low + (high - low) / 2;
        if (strcmp(repo->sorted[middle]->name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < repo->sorted_count && strcmp(repo->sorted[low]->name, name) == 0; low++) {
        const as_tensor *t = repo->sorted[low];
        if (!shard || strcmp(seen->weights[t->file].name, shard) == 0) return t;
    }
    return NULL;
}

static as_code map_file(repository *repo, const as_weight_file *file, as_map *map, as_error *err)
{
    char path[AS_PATH_MAX];
    as_map made;
    AS_TRY(as_repository_path(&repo->public, file->name, path, err));
    AS_TRY(as_map_open(path, &made, err));
    if (made.size != file->size) {
        as_map_close(&made);
        return as_fail(err, AS_E_IO, "%s: its size changed since its header was read", file->name);
    }
    *map = made;
    return AS_OK;
}

as_code as_repository_data(as_repository *seen, const as_tensor *tensor, const void **out, as_error *err)
{
    repository *repo = (repository *)seen;
    const as_weight_file *file = &seen->weights[tensor->file];
    as_map *map = repo->gguf.count ? &repo->gguf.files[tensor->file].map : &repo->maps[tensor->file];
    pthread_mutex_lock(&repo->lock);
    as_code rc = map->data ? AS_OK : map_file(repo, file, map, err);
    pthread_mutex_unlock(&repo->lock);
    /* The header was checked against the size, so the tensor lies within the map. */
    if (rc == AS_OK) *out = map->data + tensor->offset;
    return rc;
}

bool as_repository_has(const as_repository *seen, const char *name)
{
    return in_list(&((const repository *)seen)->files, name);
}

as_code as_repository_path(const as_repository *seen, const char *name, char room[static AS_PATH_MAX],
                           as_error *err)
{
    const repository *repo = (const repository *)seen;
    if (!in_list(&repo->files, name)) return fail_absent(repo, name, err);
    if (!as_repository_is_gguf(seen)) {
        return as_path_join(room, repo->path, name, err);
    }
    int folder = (int)(as_path_base(repo->path) - repo->path);
    if (snprintf(room, AS_PATH_MAX, "%.*s%s", folder, repo->path, name) < AS_PATH_MAX) return AS_OK;
    return as_fail(err, AS_E_LIMIT, "%s: the path is too long", name);
}

bool as_repository_is_gguf(const as_repository *seen)
{
    return as_gguf_is_name(seen->path) && !as_dir_exists(seen->path);
}

int64_t as_repository_gguf_tokens(const as_repository *seen)
{
    const repository *repo = (const repository *)seen;
    const as_gguf_value *tokens = as_gguf_find(&repo->gguf.whole, "tokenizer.ggml.tokens");
    return tokens && tokens->type == AS_GGUF_ARRAY && tokens->count < INT32_MAX ? (int64_t)tokens->count : 0;
}

as_code as_repository_find_gguf(const as_repository *seen, char room[static AS_PATH_MAX], as_error *err)
{
    const char *found = NULL;
    for (int64_t i = 0; i < seen->file_count; i++) {
        const char *name = seen->files[i];
        if (!as_gguf_is_name(name) || strchr(name, '/')) continue;
        if (as_gguf_is_later_part(name, seen->files, (size_t)seen->file_count)) continue;
        if (found) {
            return as_fail(err, AS_E_INPUT,
                           "there are several .gguf files (%s, %s): name the one that is meant", found, name);
        }
        found = name;
    }
    if (!found) return as_fail(err, AS_E_NOT_FOUND, "no config.json with *.safetensors, and no *.gguf file");
    return as_repository_path(seen, found, room, err);
}
