/* What is known about a repository before any rule is asked; see rules.h. */
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "suites/rules/rules.h"

enum { MAX_TOKENIZER = 256 << 20, MAGIC = 64 };

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Files by what they are. */

typedef enum { FILE_OTHER, FILE_GGUF, FILE_PICKLE } file_kind;

/* A pickle begins with its protocol; torch also writes a zip whose first entries are "NAME/data.pkl" and the
 * like. Nothing more of it is read. */
static file_kind kind_of_bytes(const unsigned char *bytes, size_t size)
{
    static const unsigned char zip[] = {'P', 'K', 3, 4};
    if (size >= 4 && memcmp(bytes, "GGUF", 4) == 0) return FILE_GGUF;
    if (size >= 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5) return FILE_PICKLE;
    if (size >= 30 && memcmp(bytes, zip, sizeof zip) == 0) {
        size_t name = (size_t)bytes[26] | (size_t)bytes[27] << 8;
        if (name > size - 30) name = size - 30;
        static const char *const entries[] = {"data.pkl", "/version", "/byteorder", ".format_version",
                                              ".npy"};
        for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
            if (memmem(bytes + 30, name, entries[i], strlen(entries[i]))) return FILE_PICKLE;
        }
    }
    return FILE_OTHER;
}

static file_kind kind_of_content(const as_repository *repo, const char *name)
{
    char path[AS_PATH_MAX];
    unsigned char bytes[MAGIC];
    if (as_repository_path(repo, name, path, NULL) != AS_OK) return FILE_OTHER;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return FILE_OTHER;
    ssize_t got = read(fd, bytes, sizeof bytes);
    close(fd);
    return got > 0 ? kind_of_bytes(bytes, (size_t)got) : FILE_OTHER;
}

static file_kind kind_of_file(const as_repository *repo, const char *name)
{
    static const struct {
        const char *ending;
        file_kind kind;
    } endings[] = {
        {".gguf", FILE_GGUF},  {".pt", FILE_PICKLE},   {".pth", FILE_PICKLE},  {".ckpt", FILE_PICKLE},
        {".pkl", FILE_PICKLE}, {".json", FILE_OTHER},  {".md", FILE_OTHER},    {".txt", FILE_OTHER},
        {".py", FILE_OTHER},   {".model", FILE_OTHER}, {".jinja", FILE_OTHER},
    };
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (ends_with(name, endings[i].ending)) return endings[i].kind;
    }
    if (starts_with(as_path_base(name), "pytorch_model") && ends_with(name, ".bin")) return FILE_PICKLE;
    return kind_of_content(repo, name);
}

static bool is_adapter_file(const char *name)
{
    return starts_with(name, "adapter_config.json") || starts_with(name, "adapter_model.");
}

/* What a trainer leaves beside a model: pickles, but no weights. */
static bool is_training_state(const char *name)
{
    static const char *const patterns[] = {"training_args.bin", "optimizer.*", "scheduler.*",
                                           "scaler.*",          "rng_state*",  "random_states_*"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        if (fnmatch(patterns[i], as_path_base(name), 0) == 0) return true;
    }
    return false;
}

static as_file_list *list_of_kind(as_rule_facts *facts, file_kind kind, const char *name)
{
    if (kind == FILE_GGUF) return &facts->ggufs;
    if (kind != FILE_PICKLE) return NULL;
    return is_training_state(name) ? &facts->training : &facts->pickles;
}

static as_code list_kinds(as_rule_facts *facts, as_error *err)
{
    const as_repository *repo = facts->repo;
    size_t room = (size_t)repo->file_count + 1;
    facts->ggufs.names = AS_ARENA_NEW_ARRAY(&facts->arena, const char *, room);
    facts->pickles.names = AS_ARENA_NEW_ARRAY(&facts->arena, const char *, room);
    facts->adapters.names = AS_ARENA_NEW_ARRAY(&facts->arena, const char *, room);
    facts->training.names = AS_ARENA_NEW_ARRAY(&facts->arena, const char *, room);
    if (!facts->ggufs.names || !facts->pickles.names || !facts->adapters.names || !facts->training.names) {
        return as_fail_memory(err, "the lists of files");
    }
    for (int64_t i = 0; i < repo->file_count; i++) {
        const char *name = repo->files[i];
        if (is_adapter_file(name)) {
            facts->adapters.names[facts->adapters.count++] = name;
            continue;
        }
        as_file_list *list = list_of_kind(facts, kind_of_file(repo, name), name);
        if (list) list->names[list->count++] = name;
    }
    return AS_OK;
}

int64_t as_rule_weight_number(const as_rule_facts *facts, const char *name)
{
    const json_t *number = json_object_get(facts->weight_numbers, name);
    return number ? json_integer_value(number) : -1;
}

/* Which weight files are the model's: those of the index; or else model.safetensors; or else all but adapters
 * and a second copy in the maker's own form. */
static as_code choose_weights(as_rule_facts *facts, as_error *err)
{
    const as_repository *repo = facts->repo;
    const json_t *map = json_object_get(repo->index.value, "weight_map");
    facts->used = AS_ARENA_NEW_ARRAY(&facts->arena, bool, repo->weight_count + 1);
    facts->weight_numbers = json_object();
    if (!facts->used || !facts->weight_numbers) return as_fail_memory(err, "the list of weight files");
    for (int64_t i = 0; i < repo->weight_count; i++) {
        json_t *number = json_integer(i);
        if (json_object_set_new(facts->weight_numbers, repo->weights[i].name, number) != 0) {
            return as_fail_memory(err, "the list of weight files");
        }
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)map, key, value)
    {
        int64_t i = as_rule_weight_number(facts, json_string_value(value));
        if (i >= 0) facts->used[i] = true;
    }
    for (int64_t i = 0; i < repo->weight_count && !map; i++) {
        const char *name = repo->weights[i].name;
        bool is_main = strcmp(name, "model.safetensors") == 0;
        facts->used[i] = is_main || (!is_adapter_file(name) && !starts_with(name, "consolidated"));
        if (facts->is_gguf) facts->used[i] = repo->weights[i].tensor_count || repo->weights[i].has_problem;
        if (is_main && !repo->index.has_problem) {
            memset(facts->used, 0, (size_t)repo->weight_count);
            facts->used[i] = true;
            break;
        }
    }
    for (int64_t i = 0; i < repo->weight_count; i++) {
        facts->used_count += facts->used[i];
        facts->broken_count += facts->used[i] && repo->weights[i].has_problem;
    }
    return AS_OK;
}

/* The tensors. */

/* The configuration of the class's base, at this model's depth and under this model's architecture, so that a
 * change of either is told once, by the rule it belongs to. */
static as_code base_config(const as_rule_facts *facts, json_t **out, as_error *err)
{
    json_t *base = json_copy((json_t *)facts->match.base);
    static const char *const own[] = {"architecture", "model_type"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (json_object_set(base, own[i], json_object_get(facts->dims, own[i])) != 0) {
            json_decref(base);
            return as_fail_memory(err, "the base's configuration");
        }
    }
    json_int_t layers = json_integer_value(json_object_get(facts->dims, "layers"));
    as_code rc = as_catalog_model_config(facts->catalog, base, layers, out, err);
    json_decref(base);
    return rc;
}

static as_code find_class(as_rule_facts *facts, as_error *err)
{
    as_code rc = as_catalog_config_dims(facts->catalog, facts->config, &facts->dims, &facts->dims_error);
    if (rc == AS_E_MEMORY) return as_fail_memory(err, "dimensions");
    if (rc != AS_OK) return AS_OK;
    as_catalog_match(facts->catalog, facts->dims, &facts->match);
    if (!facts->match.base || !facts->own) return AS_OK;
    json_t *config;
    as_error why; /* the base may be beyond what runs */
    rc = base_config(facts, &config, &why);
    if (rc == AS_OK) {
        rc = as_needs_open(facts->repo, config, &facts->expected, &why);
        json_decref(config);
    }
    return rc == AS_E_MEMORY ? as_fail_memory(err, "the base's tensors") : AS_OK;
}

static as_code find_tensors(as_rule_facts *facts, as_error *err)
{
    as_code rc = as_needs_open(facts->repo, facts->config, &facts->own, &facts->own_error);
    return rc == AS_E_MEMORY ? as_fail_memory(err, "the model's tensors") : find_class(facts, err);
}

static bool is_packed(as_dtype type)
{
    return as_dtype_is_blocks(type) || (!as_dtype_is_float(type) && type != AS_I64 && type != AS_BOOL);
}

/* config.json says so, or there are matrices of whole numbers or of blocks, as quantizers leave them. */
static bool find_quantization(const as_rule_facts *facts)
{
    if (as_json_has(facts->config, "quantization_config")) return true;
    for (int64_t i = 0; i < facts->repo->weight_count; i++) {
        const as_weight_file *file = &facts->repo->weights[i];
        for (int64_t t = 0; facts->used[i] && t < file->tensor_count; t++) {
            const as_tensor *tensor = &file->tensors[t];
            if (tensor->dims < 2 || !is_packed(tensor->dtype)) continue;
            if (!facts->own || !as_needs_ignores(facts->own, tensor->name)) return true;
        }
    }
    return false;
}

static int64_t count_parameters(const as_rule_facts *facts)
{
    int64_t sum = 0;
    if (facts->used_count == 0 || facts->broken_count) return -1;
    for (int64_t i = 0; i < facts->repo->weight_count; i++) {
        const as_weight_file *file = &facts->repo->weights[i];
        for (int64_t t = 0; facts->used[i] && t < file->tensor_count; t++) {
            const as_tensor *tensor = &file->tensors[t];
            const as_need *known = facts->own ? as_needs_find(facts->own, tensor->name) : NULL;
            bool counted =
                known ? !known->optional : !facts->own || !as_needs_ignores(facts->own, tensor->name);
            if (counted && __builtin_add_overflow(sum, tensor->elements, &sum)) return -1;
        }
    }
    return sum;
}

/* The tokenizer. */

static const struct {
    const char *name;
    as_code (*count)(const char *text, size_t size, int64_t *out, as_error *err);
} tokenizers[] = {
    {"tokenizer.json", as_token_count_json},
    {"tokenizer.model", as_token_count_sentencepiece},
    {"spiece.model", as_token_count_sentencepiece},
    {"vocab.json", as_token_count_vocab_json},
    {"vocab.txt", as_token_count_lines},
};

static as_code count_tokens(as_rule_facts *facts, size_t which, as_error *err)
{
    char path[AS_PATH_MAX];
    as_buf bytes;
    as_buf_init(&bytes, MAX_TOKENIZER);
    as_code rc = as_repository_path(facts->repo, facts->tokenizer, path, err);
    if (rc == AS_OK) rc = as_file_read(path, &bytes, err);
    if (rc == AS_OK)
        rc = tokenizers[which].count(as_buf_text(&bytes), bytes.size, &facts->tokenizer_ids, err);
    as_buf_free(&bytes);
    return rc == AS_OK ? AS_OK : as_wrap(err, "%s", facts->tokenizer);
}

static as_code find_tokenizer(as_rule_facts *facts, as_error *err)
{
    size_t count = sizeof tokenizers / sizeof tokenizers[0], which = count - 1;
    if (facts->is_gguf) {
        facts->tokenizer_ids = as_repository_gguf_tokens(facts->repo);
        if (facts->tokenizer_ids) facts->tokenizer = facts->repo->weights[0].name;
        return AS_OK;
    }
    for (size_t i = 0; i < count && !facts->tokenizer; i++) {
        if (!as_repository_has(facts->repo, tokenizers[i].name)) continue;
        facts->tokenizer = tokenizers[i].name;
        which = i;
    }
    for (int64_t i = 0; i < facts->repo->file_count && !facts->tokenizer; i++) {
        const char *name = facts->repo->files[i]; /* a vocabulary under a name with its date */
        if (!strchr(name, '/') && strstr(name, "vocab") && ends_with(name, ".txt")) facts->tokenizer = name;
    }
    if (!facts->tokenizer) return AS_OK;
    as_code rc = count_tokens(facts, which, &facts->tokenizer_error);
    return rc == AS_E_MEMORY ? as_fail_memory(err, facts->tokenizer) : AS_OK;
}

static as_code fill(as_rule_facts *facts, as_error *err)
{
    facts->config = facts->repo->config.value;
    facts->is_gguf = as_repository_is_gguf(facts->repo);
    facts->is_unread_gguf =
        facts->is_gguf && facts->repo->weight_count && facts->repo->weights[0].has_problem;
    AS_TRY(list_kinds(facts, err));
    AS_TRY(choose_weights(facts, err));
    if (facts->config) AS_TRY(find_tensors(facts, err));
    facts->is_quantized = find_quantization(facts);
    facts->parameters = count_parameters(facts);
    return find_tokenizer(facts, err);
}

as_code as_rule_facts_open(const as_suite_context *context, as_rule_facts *out, as_error *err)
{
    as_rule_facts facts = {.repo = context->repository,
                           .catalog = context->catalog,
                           .profile = context->profile,
                           .target = context->target};
    as_arena_init(&facts.arena, 0);
    as_code rc = fill(&facts, err);
    if (rc != AS_OK) {
        as_rule_facts_close(&facts);
        return rc;
    }
    *out = facts;
    return AS_OK;
}

void as_rule_facts_close(as_rule_facts *facts)
{
    as_needs_close(facts->own);
    as_needs_close(facts->expected);
    json_decref(facts->dims);
    json_decref(facts->weight_numbers);
    as_arena_free(&facts->arena);
}
