/* A model's name to where it lies; see resolve.h. */
#include "harness/resolve.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "harness/synth.h"
#include "suites/catalog.h"

void as_resolved_free(as_resolved *resolved)
{
    as_free(resolved->path);
    json_decref(resolved->synth);
    *resolved = (as_resolved){0};
}

/* The hub cache's folder, as huggingface_hub finds it. */
static as_code cache_folder(char room[static AS_PATH_MAX], as_error *err)
{
    const char *cache = getenv("HF_HUB_CACHE"), *home = getenv("HF_HOME"), *user = getenv("HOME");
    const char *xdg = getenv("XDG_CACHE_HOME");
    int size = cache && *cache ? snprintf(room, AS_PATH_MAX, "%s", cache)
               : home && *home ? snprintf(room, AS_PATH_MAX, "%s/hub", home)
               : xdg && *xdg   ? snprintf(room, AS_PATH_MAX, "%s/huggingface/hub", xdg)
               : user          ? snprintf(room, AS_PATH_MAX, "%s/.cache/huggingface/hub", user)
                               : snprintf(room, AS_PATH_MAX, ".");
    return size < AS_PATH_MAX ? AS_OK : as_fail(err, AS_E_LIMIT, "the hub cache's path is too long");
}

/* Only what a repository name may hold: no way out of the cache. */
static bool is_hub_name(const char *name, size_t size)
{
    int slashes = 0;
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '/') {
            slashes++;
        } else if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i])) {
            return false;
        }
    }
    return slashes == 1 && name[0] != '/' && name[size - 1] != '/' && !strstr(name, "..");
}

static as_code read_ref(const char *folder, const char *revision, char room[static AS_PATH_MAX],
                        as_error *err)
{
    char path[AS_PATH_MAX];
    as_buf text;
    snprintf(path, sizeof path, "%s/refs/%s", folder, revision);
    as_buf_init(&text, 256);
    as_code rc = as_file_read(path, &text, err);
    if (rc == AS_OK) {
        int size = (int)strcspn(as_buf_text(&text), "\r\n/");
        snprintf(room, AS_PATH_MAX, "%s/snapshots/%.*s", folder, size, as_buf_text(&text));
    }
    as_buf_free(&text);
    return rc;
}

/* " (did you mean fixtures/trained?)" where a file or folder beside it has nearly that name; else nothing. */
static void near_path(const char *name, char hint[static AS_NEAREST_HINT])
{
    const char *slash = strrchr(name, '/');
    int size = slash ? (int)(slash - name) + 1 : 0;
    char folder[AS_PATH_MAX], prefix[128];
    char **names;
    size_t count;
    hint[0] = 0;
    if (size >= (int)sizeof prefix) return;
    snprintf(prefix, sizeof prefix, "%.*s", size, name);
    snprintf(folder, sizeof folder, "%s", size ? prefix : ".");
    if (as_dir_list(folder, &names, &count, NULL) != AS_OK) return;
    as_nearest nearest = {.word = name + size};
    for (size_t i = 0; i < count; i++) as_nearest_offer(&nearest, names[i]);
    as_nearest_hint(&nearest, prefix, hint);
    as_names_free(names, count);
}

/* ", or synth:NAME for ..." where the catalogue has the model's dimensions; else nothing. */
static void stand_in(const char *name, char room[static AS_NEAREST_HINT])
{
    json_t *catalog;
    room[0] = 0;
    if (as_catalog_load(&catalog, NULL) != AS_OK) return;
    if (as_catalog_model(catalog, name)) {
        snprintf(room, AS_NEAREST_HINT, ", or take synth:%.200s for one of its size with generated weights",
                 name);
    }
    json_decref(catalog);
}

static as_code not_cached(const char *name, size_t size, const char *folder, as_error *err)
{
    char near[AS_NEAREST_HINT], synth[AS_NEAREST_HINT], repository[256];
    snprintf(repository, sizeof repository, "%.*s", (int)size, name);
    near_path(name, near);
    stand_in(repository, synth);
    return as_fail(err, AS_E_NOT_FOUND,
                   "%s: no such directory%s, and not in the hub cache (looked for %s). Fetch it with "
                   "`hf download %s`, or name a directory%s",
                   name, near, folder, repository, synth);
}

static as_code from_cache(const char *name, as_resolved *out, as_error *err)
{
    const char *at = strchr(name, '@'), *revision = at ? at + 1 : "main";
    size_t size = at ? (size_t)(at - name) : strlen(name);
    char cache[AS_PATH_MAX], folder[AS_PATH_MAX + 512], snapshot[AS_PATH_MAX];
    if (size > 200 || !is_hub_name(name, size) || strstr(revision, "..") || strlen(revision) > 200) {
        char hint[AS_NEAREST_HINT];
        near_path(name, hint);
        return as_fail(err, AS_E_NOT_FOUND,
                       "%s: no such directory%s, and not a hub name of the form org/name", name, hint);
    }
    AS_TRY(cache_folder(cache, err));
    const char *slash = memchr(name, '/', size);
    snprintf(folder, sizeof folder, "%s/models--%.*s--%.*s", cache, (int)(slash - name), name,
             (int)(size - (size_t)(slash - name) - 1), slash + 1);
    snprintf(snapshot, sizeof snapshot, "%s/snapshots/%s", folder, revision);
    if (!as_dir_exists(snapshot) && read_ref(folder, revision, snapshot, NULL) != AS_OK) {
        return not_cached(name, size, folder, err);
    }
    if (!as_dir_exists(snapshot)) {
        return as_fail(err, AS_E_NOT_FOUND, "%s: the hub cache names %s, which is not there", name, snapshot);
    }
    out->path = as_strdup(snapshot);
    return out->path ? AS_OK : as_fail_memory(err, "a path");
}

static bool is_gguf(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && strcmp(dot, ".gguf") == 0 && as_file_exists(name);
}

as_code as_resolve(const char *name, as_resolved *out, as_error *err)
{
    as_resolved found = {0};
    if (strncmp(name, "synth:", 6) == 0) {
        AS_TRY(as_synth_config(name + 6, &found.synth, &found.seed, err));
    } else if (as_dir_exists(name) || is_gguf(name)) {
        found.path = as_strdup(name);
        if (!found.path) return as_fail_memory(err, "a path");
    } else if (as_file_exists(name)) {
        return as_fail(err, AS_E_UNSUPPORTED,
                       "%s is a file: name the directory of a model repository or a .gguf file", name);
    } else {
        AS_TRY(from_cache(name, &found, err));
    }
    *out = found;
    return AS_OK;
}
