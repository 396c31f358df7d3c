/* Rules about the files of a repository. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "suites/rules/rules.h"

enum { MAX_CARD = 16 << 20 };

/* Of a file that is not listed: true when it is a link out of the repository. */
static bool is_outside(const as_repository *repo, const char *name)
{
    for (int64_t i = 0; i < repo->outside_count; i++) {
        if (strcmp(repo->outside[i], name) == 0) return true;
    }
    return false;
}

/* Skips where the fault is a link, and the profile has a rule for those. */
static bool skip_for_link(as_rule_call *call, const char *name)
{
    if (!is_outside(call->facts->repo, name) || !as_rule_in_profile(call->facts, "links-inside"))
        return false;
    as_rule_say(call, AS_SKIP, "%s is a link out of the repository: links-inside tells of it", name);
    return true;
}

void as_rule_config(as_rule_call *call)
{
    const as_repository *repo = call->facts->repo;
    call->check->expected = json_string("config.json with \"architectures\"");
    if (repo->config.has_problem) {
        if (skip_for_link(call, "config.json")) return;
        as_rule_say(call, AS_FAIL, "%s", repo->config.problem.text);
        return;
    }
    if (call->facts->is_unread_gguf) {
        as_rule_say(call, AS_SKIP, "the GGUF file cannot be read: weights-safetensors tells why");
        return;
    }
    if (!repo->config.value) {
        as_rule_say(call, AS_FAIL, "there is no config.json, so nobody can tell what the weights are");
        return;
    }
    const json_t *names = json_object_get(repo->config.value, "architectures");
    const char *name = json_string_value(json_array_get(names, 0));
    call->check->measured = as_result_text(name);
    if (name) {
        as_rule_say(call, AS_PASS, "config.json names %.100s", name);
    } else {
        as_rule_say(call, AS_FAIL, "config.json has no \"architectures\"");
    }
}

void as_rule_model_card(as_rule_call *call)
{
    const as_repository *repo = call->facts->repo;
    char path[AS_PATH_MAX];
    as_error err;
    as_buf text;
    as_buf_init(&text, MAX_CARD);
    call->check->unit = "bytes";
    call->check->expected = json_string("README.md that is not empty");
    if (call->facts->is_gguf) {
        as_rule_say(call, AS_SKIP, "it is one GGUF file: the card belongs to the repository around it");
        return;
    }
    if (!as_repository_has(repo, "README.md")) {
        if (!skip_for_link(call, "README.md")) {
            as_rule_say(call, AS_FAIL, "there is no README.md in the repository's root");
        }
        return;
    }
    as_code rc = as_repository_path(repo, "README.md", path, &err);
    if (rc == AS_OK) rc = as_file_read(path, &text, &err);
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) used += !isspace((unsigned char)text.data[i]);
    if (rc == AS_E_LIMIT) {
        as_rule_say(call, AS_PASS, "README.md has more than %d bytes", MAX_CARD);
    } else if (rc != AS_OK) {
        as_rule_say(call, AS_FAIL, "%.900s", err.text);
    } else {
        call->check->measured = json_integer((json_int_t)text.size);
        as_rule_say(call, used ? AS_PASS : AS_FAIL,
                    used ? "README.md has %zu bytes" : "README.md is empty (%zu bytes)", text.size);
    }
    as_buf_free(&text);
}

void as_rule_links_inside(as_rule_call *call)
{
    const as_repository *repo = call->facts->repo;
    as_rule_list links = {0};
    for (int64_t i = 0; i < repo->outside_count; i++) {
        as_rule_list_add(&links, as_result_text(repo->outside[i]));
    }
    as_rule_show_list(call, "links", &links);
    call->check->measured = json_integer(repo->outside_count);
    call->check->expected = json_integer(0);
    if (repo->outside_count == 0) {
        as_rule_say(call, AS_PASS, "no link leads out of the repository");
    } else {
        as_rule_say(call, AS_FAIL, "links that lead out of the repository: %" PRId64 ", the first is %.200s",
                    repo->outside_count, repo->outside[0]);
    }
}

void as_rule_remote_code(as_rule_call *call)
{
    if (as_rule_skip_without_config(call)) return;
    const json_t *map = json_object_get(call->facts->config, "auto_map");
    as_rule_list scripts = {0};
    for (int64_t i = 0; i < call->facts->repo->file_count; i++) {
        const char *name = call->facts->repo->files[i];
        size_t size = strlen(name);
        if (size > 3 && strcmp(name + size - 3, ".py") == 0) as_rule_list_add(&scripts, as_result_text(name));
    }
    int64_t count = scripts.count;
    as_rule_show_list(call, "scripts", &scripts);
    if (map && !json_is_null(map)) {
        as_rule_show(call, "auto_map", json_incref((json_t *)map));
        as_rule_say(
            call, AS_WARN,
            "config.json has an auto_map: loaders run the repository's code for it when told to trust it; "
            "nothing of it was run here");
    } else if (count) {
        as_rule_say(call, AS_PASS, "%" PRId64 " script%s in the repository, config.json calls for none",
                    count, AS_PLURAL(count));
    } else {
        as_rule_say(call, AS_PASS, "there is no code in the repository");
    }
}

/* "model-00001-of-00003.safetensors" */
static bool is_shard(const char *name)
{
    const char *of = strstr(name, "-of-");
    return of && of > name && isdigit((unsigned char)of[-1]) && isdigit((unsigned char)of[4]);
}

/* The first fault of a weight file that the model needs; NULL if there is none. */
static const as_weight_file *first_broken(const as_rule_facts *facts, as_rule_list *rows)
{
    const as_weight_file *first = NULL;
    for (int64_t i = 0; i < facts->repo->weight_count; i++) {
        const as_weight_file *file = &facts->repo->weights[i];
        if (!facts->used[i] || !file->has_problem) continue;
        if (!first) first = file;
        json_t *row = json_object();
        (void)json_object_set_new(row, "file", as_result_text(file->name));
        (void)json_object_set_new(row, "problem", as_result_text(file->problem.text));
        as_rule_list_add(rows, row);
    }
    return first;
}

static void say_without_safetensors(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    if (facts->is_gguf) {
        as_rule_say(call, AS_FAIL, "the GGUF file holds no tensors");
    } else if (facts->adapters.count) {
        as_rule_say(call, AS_SKIP, "there is an adapter only: full-weights tells of it");
    } else if (facts->pickles.count) {
        as_rule_say(call, AS_SKIP, "the weights are pickles: no-pickle-only tells of it");
    } else if (facts->ggufs.count) {
        as_rule_say(call, AS_SKIP, "the weights are GGUF: no-gguf-only tells of it");
    } else {
        as_rule_say(call, AS_FAIL, "there is no weight file");
    }
}

void as_rule_weights_safetensors(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    const as_repository *repo = facts->repo;
    as_rule_list broken = {0};
    call->check->measured = json_integer(facts->used_count);
    call->check->unit = "files";
    if (facts->used_count == 0) {
        say_without_safetensors(call);
        return;
    }
    const as_weight_file *first = first_broken(facts, &broken);
    as_rule_show_list(call, "broken", &broken);
    if (first && is_outside(repo, first->name) && skip_for_link(call, first->name)) return;
    if (first) {
        as_rule_say(call, AS_FAIL, "of %" PRId64 " weight files %" PRId64 " cannot be read; %.800s",
                    facts->used_count, facts->broken_count, first->problem.text);
        return;
    }
    bool indexed = repo->index.value || repo->index.has_problem;
    for (int64_t i = 0; i < repo->weight_count && !indexed; i++) {
        if (!facts->used[i] || !is_shard(repo->weights[i].name)) continue;
        as_rule_say(call, AS_FAIL, "%.200s is one of several, but there is no model.safetensors.index.json",
                    repo->weights[i].name);
        return;
    }
    as_rule_say(call, AS_PASS, "%" PRId64 " file%s, every header sound", facts->used_count,
                AS_PLURAL(facts->used_count));
}

static void say_only(as_rule_call *call, const as_file_list *list, const char *kind)
{
    call->check->measured = json_integer(list->count);
    call->check->unit = "files";
    if (list->count == 0) {
        as_rule_say(call, AS_PASS, "there is no %s file", kind);
        return;
    }
    as_rule_show(call, "files", as_rule_files(list));
    if (call->facts->used_count) {
        as_rule_say(call, AS_PASS, "%" PRId64 " %s file%s beside the safetensors, not opened", list->count,
                    kind, AS_PLURAL(list->count));
    } else {
        as_rule_say(call, AS_FAIL, "the weights are in %s files only (%.200s); save them as safetensors",
                    kind, list->names[0]);
    }
}

void as_rule_no_gguf_only(as_rule_call *call)
{
    if (call->facts->used_count == 0 && call->facts->pickles.count) {
        as_rule_say(call, AS_SKIP, "the weights are pickles: no-pickle-only tells of it");
        return;
    }
    if (call->facts->is_gguf) {
        as_rule_say(call, AS_SKIP, "it is one GGUF file: what stands beside it is not known");
        return;
    }
    say_only(call, &call->facts->ggufs, "GGUF");
}

void as_rule_no_pickle_only(as_rule_call *call)
{
    const as_file_list *training = &call->facts->training;
    if (training->count) as_rule_show(call, "training_state", as_rule_files(training));
    if (training->count == 0 || call->facts->pickles.count) {
        say_only(call, &call->facts->pickles, "pickle");
        return;
    }
    call->check->measured = json_integer(0);
    call->check->unit = "files";
    as_rule_say(call, AS_PASS, "no weights are pickles; what a trainer left is (%.200s), and was not opened",
                training->names[0]);
}

/* The index. */

typedef struct index_walk {
    const as_rule_facts *facts;
    const json_t *map;
    as_rule_list faults;
    json_t *misplaced; /* names already told of */
    char first[512];
    uint64_t bytes;
} index_walk;

static void add_fault(index_walk *walk, const char *tensor, const char *fault, const char *file)
{
    if (walk->faults.count == 0) {
        snprintf(walk->first, sizeof walk->first, "%.200s: %s %.160s", tensor, fault, file);
    }
    json_t *row = json_object();
    (void)json_object_set_new(row, "tensor", as_result_text(tensor));
    (void)json_object_set_new(row, "fault", as_result_text(fault));
    (void)json_object_set_new(row, "file", as_result_text(file));
    as_rule_list_add(&walk->faults, row);
}

/* Every tensor of the files is named by the index, for that file, and lies in no other. */
static void walk_files(index_walk *walk)
{
    const as_repository *repo = walk->facts->repo;
    for (int64_t i = 0; i < repo->weight_count; i++) {
        const as_weight_file *file = &repo->weights[i];
        for (int64_t t = 0; walk->facts->used[i] && t < file->tensor_count; t++) {
            const as_tensor *tensor = &file->tensors[t];
            const char *named = json_string_value(json_object_get(walk->map, tensor->name));
            walk->bytes += tensor->bytes;
            if (!named) {
                add_fault(walk, tensor->name, "the index does not name it, it lies in", file->name);
            } else if (strcmp(named, file->name) != 0) {
                add_fault(walk, tensor->name, "the index has it elsewhere, it lies in", file->name);
                (void)json_object_set_new(walk->misplaced, tensor->name, json_true());
            }
        }
    }
}

/* Every tensor that the index names lies where it says. */
static void walk_index(index_walk *walk)
{
    const as_repository *repo = walk->facts->repo;
    const char *name;
    json_t *file;
    json_object_foreach((json_t *)walk->map, name, file)
    {
        if (as_repository_find(repo, name) || json_object_get(walk->misplaced, name)) continue;
        add_fault(walk, name, "it does not lie where the index says,", json_string_value(file));
    }
}

static void say_index(as_rule_call *call, index_walk *walk)
{
    const json_t *metadata = json_object_get(call->facts->repo->index.value, "metadata");
    const json_t *total = json_object_get(metadata, "total_size");
    call->check->measured = json_integer((json_int_t)walk->bytes);
    call->check->unit = "bytes";
    if (total) call->check->expected = json_incref((json_t *)total);
    int64_t faults = walk->faults.count;
    as_rule_show_list(call, "faults", &walk->faults);
    if (faults) {
        as_rule_say(call, AS_FAIL, "%" PRId64 " tensor%s not as the index says; %s", faults,
                    AS_PLURAL(faults), walk->first);
    } else if (total && (!json_is_number(total) || json_number_value(total) != (double)walk->bytes)) {
        char room[64];
        as_rule_say(call, AS_FAIL, "the index's total_size is %s, the tensors have %" PRIu64 " bytes",
                    as_json_describe(total, room), walk->bytes);
    } else {
        as_rule_say(call, AS_PASS, "%zu tensors are where the index says%s", json_object_size(walk->map),
                    total ? ", and their sizes add up" : "; it states no total_size");
    }
}

void as_rule_index_consistent(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    const as_json_file *index = &facts->repo->index;
    if (index->has_problem) {
        as_rule_say(call, AS_FAIL, "%.900s", index->problem.text);
    } else if (facts->used_count == 0) {
        as_rule_say(call, AS_SKIP, "there are no safetensors that an index could speak of");
    } else if (!index->value && facts->used_count > 1) {
        as_rule_say(call, AS_SKIP, "several weight files and no index: weights-safetensors tells of it");
    } else if (!index->value) {
        as_rule_say(call, AS_PASS, "one weight file needs no index");
    } else if (facts->broken_count) {
        as_rule_say(call, AS_SKIP, "a weight file cannot be read: weights-safetensors says which");
    } else {
        index_walk walk = {
            .facts = facts, .map = json_object_get(index->value, "weight_map"), .misplaced = json_object()};
        walk_files(&walk);
        walk_index(&walk);
        json_decref(walk.misplaced);
        say_index(call, &walk);
    }
}
