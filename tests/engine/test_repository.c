/* engine/repository.h on the good repository, on spoiled ones, and on headers that lie. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/repository.h"

#define REPOS "fixtures/repos/"

static as_repository *open_good(const char *path)
{
    as_repository *repo = NULL;
    as_error err;
    as_code rc = as_repository_open(path, &repo, &err);
    cr_assert_eq(rc, AS_OK, "%s: %s", path, rc == AS_OK ? "" : err.text);
    return repo;
}

Test(repository, reads_what_is_there)
{
    as_repository *repo = open_good(REPOS "good");
    cr_assert_eq(repo->file_count, 8);
    cr_assert_eq(repo->weight_count, 2);
    cr_assert(repo->config.value && repo->generation_config.value && repo->index.value);
    cr_assert_not(repo->config.has_problem || repo->index.has_problem);
    cr_assert_not(repo->weights[0].has_problem || repo->weights[1].has_problem);
    cr_assert_str_eq(json_string_value(json_object_get(repo->weights[0].metadata, "format")), "pt");
    cr_assert(as_repository_has(repo, "README.md"));
    cr_assert_not(as_repository_has(repo, "README"));
    as_repository_close(repo);
}

Test(repository, finds_and_maps_tensors)
{
    as_repository *repo = open_good(REPOS "good");
    const as_tensor *t = as_repository_find(repo, "model.layers.1.self_attn.k_proj.weight");
    as_error err;
    const void *data = NULL;
    cr_assert_not_null(t);
    cr_assert(t->dtype == AS_F16 && t->dims == 2 && t->shape[0] == 8 && t->shape[1] == 16);
    cr_assert_eq(t->elements, 128);
    cr_assert_eq(t->bytes, 256);
    cr_assert_str_eq(repo->weights[t->file].name, "model-00002-of-00002.safetensors");
    cr_assert_eq(as_repository_data(repo, t, &data, &err), AS_OK);
    cr_assert_not_null(data);
    cr_assert_null(as_repository_find(repo, "model.layers.2.self_attn.k_proj.weight"));

    /* the bytes of a norm are near one */
    t = as_repository_find(repo, "model.norm.weight");
    cr_assert_eq(as_repository_data(repo, t, &data, &err), AS_OK);
    float first = as_f32_from_f16(*(const uint16_t *)data);
    cr_assert(first > 0.5f && first < 1.5f, "%g", (double)first);
    as_repository_close(repo);
}

Test(repository, the_index_decides_where_a_tensor_is)
{
    as_repository *repo = open_good(REPOS "index-moves-tensor");
    cr_assert_null(as_repository_find(repo, "model.norm.weight"));
    cr_assert_not_null(as_repository_find(repo, "lm_head.weight"));
    as_repository_close(repo);
}

Test(repository, a_broken_part_is_told_beside_that_part)
{
    static const struct {
        const char *repo, *problem;
    } cases[] = {
        {"shard-missing", "not in the repository"},
        {"shard-cut", "cut"},
        {"shard-of-zero-bytes", "too short"},
        {"header-too-long", "1099511627776"},
        {"offsets-overlap", "inside"},
        {"offsets-leave-hole", "hole"},
        {"names-twice", "stands twice"},
        {"absurd-shape", "2^63"},
        {"unknown-type", "F13"},
        {"header-not-utf8", "not UTF-8"},
        {"header-deep", "expected '{'"},
        {"link-outside", "leaves the repository"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, REPOS "%s", cases[i].repo);
        as_repository *repo = open_good(path);
        const as_weight_file *first = &repo->weights[0], *second = &repo->weights[1];
        cr_assert_not(first->has_problem, "%s", first->problem.text);
        cr_assert(second->has_problem, "%s", cases[i].repo);
        cr_assert(strstr(second->problem.text, cases[i].problem), "%s: %s", cases[i].repo,
                  second->problem.text);
        cr_assert(strstr(second->problem.text, "model-00002-of-00002.safetensors"));
        cr_assert_eq(second->tensor_count, 0);
        cr_assert_null(as_repository_find(repo, "lm_head.weight"));
        as_repository_close(repo);
    }
}

Test(repository, links_out_of_the_tree_are_listed_and_not_read)
{
    as_repository *repo = open_good(REPOS "link-to-system");
    char path[AS_PATH_MAX];
    as_error err;
    cr_assert_eq(repo->outside_count, 1);
    cr_assert_str_eq(repo->outside[0], "chat_template.jinja");
    cr_assert_not(as_repository_has(repo, "chat_template.jinja"));
    cr_assert_eq(as_repository_path(repo, "chat_template.jinja", path, &err), AS_E_INPUT);
    cr_assert_eq(as_repository_path(repo, "../good/config.json", path, &err), AS_E_NOT_FOUND);
    as_repository_close(repo);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[AS_PATH_MAX];
    as_error err;
    cr_assert_eq(as_path_join(path, folder, name, &err), AS_OK);
    cr_assert_eq(as_file_write(path, text, strlen(text), &err), AS_OK, "%s", err.text);
}

static void remove_tree(const char *path)
{
    char command[AS_PATH_MAX];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    cr_assert_eq(system(command), 0);
}

Test(repository, a_hub_cache_links_to_its_blobs)
{
    char root[] = "/tmp/assay-cache-XXXXXX", snapshot[256], path[300];
    as_error err;
    cr_assert_not_null(mkdtemp(root));
    snprintf(snapshot, sizeof snapshot, "%s/blobs", root);
    cr_assert_eq(as_dir_make(snapshot, &err), AS_OK);
    write_text(snapshot, "abc", "{\"architectures\":[\"X\"]}");
    snprintf(snapshot, sizeof snapshot, "%s/snapshots/0123", root);
    cr_assert_eq(as_dir_make(snapshot, &err), AS_OK);
    snprintf(path, sizeof path, "%s/config.json", snapshot);
    cr_assert_eq(symlink("../../blobs/abc", path), 0);
    snprintf(path, sizeof path, "%s/README.md", snapshot);
    cr_assert_eq(symlink("../../blobs/gone", path), 0);
    as_repository *repo = open_good(snapshot);
    cr_assert_not_null(repo->config.value);
    cr_assert_eq(repo->outside_count, 0);
    cr_assert_not(as_repository_has(repo, "README.md"));
    as_repository_close(repo);
    remove_tree(root);
}

Test(repository, an_index_that_leaves_the_folder_or_names_thousands_is_refused)
{
    static const char *const bad[] = {"[]",
                                      "{}",
                                      "{\"weight_map\":3}",
                                      "{\"weight_map\":{\"a\":1}}",
                                      "{\"weight_map\":{\"a\":\"/etc/passwd\"}}",
                                      "{\"weight_map\":{\"a\":\"../x.safetensors\"}}",
                                      "{\"weight_map\":{\"a\":\"x.bin\"}}",
                                      "{\"weight_map\":{\"a\":\"x.safetensors\",\"a\":\"y.safetensors\"}}"};
    char root[] = "/tmp/assay-index-XXXXXX";
    cr_assert_not_null(mkdtemp(root));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_text(root, "model.safetensors.index.json", bad[i]);
        as_repository *repo = open_good(root);
        cr_assert(repo->index.has_problem, "%s", bad[i]);
        cr_assert_null(repo->index.value);
        cr_assert_eq(repo->weight_count, 0);
        cr_assert(strncmp(repo->index.problem.text, "model.safetensors.index.json", 28) == 0, "%s",
                  repo->index.problem.text);
        as_repository_close(repo);
    }
    as_buf many;
    as_buf_init(&many, 0);
    as_buf_str(&many, "{\"weight_map\":{\"a\":\"a.safetensors\"");
    for (int i = 0; i < 20000; i++) as_buf_printf(&many, ",\"%d\":\"%d.safetensors\"", i, i);
    as_buf_str(&many, "}}");
    write_text(root, "model.safetensors.index.json", as_buf_text(&many));
    as_buf_free(&many);
    as_repository *repo = open_good(root);
    cr_assert(repo->index.has_problem && strstr(repo->index.problem.text, "20001"));
    as_repository_close(repo);
    remove_tree(root);
}

Test(repository, what_is_no_directory_is_refused)
{
    as_repository *repo = NULL;
    as_error err;
    cr_assert_eq(as_repository_open("fixtures/nothing", &repo, &err), AS_E_NOT_FOUND);
    cr_assert(strstr(err.text, "fixtures/nothing"));
    cr_assert_eq(as_repository_open(REPOS "good/config.json", &repo, &err), AS_E_NOT_FOUND);
    cr_assert(strstr(err.text, "neither a directory"));
    cr_assert_null(repo);
}

Test(repository, survives_failing_allocations)
{
    for (uint64_t n = 1; n < 20000; n += n < 200 ? 1 : 7) {
        as_repository *repo = NULL;
        as_error err;
        as_alloc_fail_after(n);
        as_code rc = as_repository_open(REPOS "good", &repo, &err);
        as_alloc_fail_after(0);
        if (rc == AS_OK) {
            cr_assert_not(repo->weights[0].has_problem || repo->index.has_problem, "allocation %d hidden",
                          (int)n);
            as_repository_close(repo);
            return;
        }
        cr_assert_eq(rc, AS_E_MEMORY, "allocation %d: %s", (int)n, err.text);
        cr_assert_null(repo);
    }
    cr_assert_fail("never succeeded");
}

/* The parser alone. */

static as_code parse(const char *header, uint64_t data_bytes, as_error *err)
{
    unsigned char head[4096] = {0};
    size_t n = strlen(header);
    for (int i = 0; i < 8; i++) head[i] = (unsigned char)(n >> 8 * i);
    memcpy(head + 8, header, n);
    as_tensor *tensors = NULL;
    json_t *names = NULL;
    int64_t count = -1;
    uint64_t header_bytes = 0;
    as_code rc =
        as_safetensors_parse(head, 8 + n, 8 + n + data_bytes, &tensors, &count, &names, &header_bytes, err);
    if (rc == AS_OK) {
        cr_assert_eq(header_bytes, n);
        for (int64_t i = 0; i < count; i++) {
            cr_assert(tensors[i].offset + tensors[i].bytes <= 8 + n + data_bytes);
        }
        as_free(tensors);
        json_decref(names);
    } else {
        cr_assert(tensors == NULL && names == NULL && count == -1);
    }
    return rc;
}

#define TENSOR(name, shape, from, to)                                                                        \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

Test(safetensors, accepts_what_the_format_allows)
{
    static const struct {
        const char *header;
        uint64_t data;
    } cases[] = {
        {"{}", 0},
        {"{}   ", 0},
        {"{" TENSOR("a", "[]", 0, 4) "}", 4},
        {"{" TENSOR("a", "[0]", 0, 0) "}", 0},
        {"{" TENSOR("a", "[1]", 4, 8) "," TENSOR("b", "[1]", 0, 4) "}", 8},
        {"{" TENSOR("a", "[1]", 0, 4) "," TENSOR("b", "[0,5]", 4, 4) "," TENSOR("c", "[1]", 4, 8) "}", 8},
        {"{\"__metadata__\":{\"a\":\"b\"}," TENSOR("a\\u00e9\\ud83d\\ude00", "[1]", 0, 4) "}", 4},
        {"{ \"x\" : { \"shape\" : [ 1 , 2 ] , \"data_offsets\":[0, 2],\n\"dtype\":\"F8_E4M3\"}\t}", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_error err = {0};
        cr_assert_eq(parse(cases[i].header, cases[i].data, &err), AS_OK, "%s: %s", cases[i].header, err.text);
    }
}

Test(safetensors, refuses_the_rest_and_names_the_place)
{
    static const struct {
        const char *header;
        uint64_t data;
        const char *expected;
    } cases[] = {
        {"", 0, "'{' is expected"},
        {" {}", 0, "expected '{'"},
        {"[]", 0, "expected '{'"},
        {"{", 0, "ends"},
        {"{}x", 0, "nothing more"},
        {"{}", 4, "behind the last"},
        {"{\"a\":1}", 0, "tensor \"a\""},
        {"{\"a\":{}}", 0, "\"dtype\" is missing"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "\"data_offsets\" is missing"},
        {"{\"a\":{\"dtype\":\"float32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "float32"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
         "unknown field \"x\""},
        {"{" TENSOR("a", "[-1]", 0, 4) "}", 4, "whole number"},
        {"{" TENSOR("a", "[1.5]", 0, 4) "}", 4, "'.'"},
        {"{" TENSOR("a", "[01]", 0, 4) "}", 4, "whole number"},
        {"{" TENSOR("a", "[1e0]", 0, 4) "}", 4, "'e'"},
        {"{" TENSOR("a", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "more than 8"},
        {"{" TENSOR("a", "[9223372036854775808]", 0, 4) "}", 4, "63 bits"},
        {"{" TENSOR("a", "[4611686018427387904]", 0, 4) "}", 4, "2^63 bits"},
        {"{" TENSOR("a", "[2]", 0, 4) "}", 4, "8 bytes"},
        {"{" TENSOR("a", "[1]", 4, 0) "}", 4, "ends before"},
        {"{" TENSOR("a", "[1]", 4, 8) "}", 8, "hole"},
        {"{" TENSOR("a", "[2]", 0, 8) "," TENSOR("b", "[1]", 4, 8) "}", 8, "inside \"a\""},
        {"{" TENSOR("a", "[1]", 0, 4) "," TENSOR("a", "[1]", 4, 8) "}", 8, "\"a\" stands twice"},
        {"{" TENSOR("a", "[1]", 0, 4) "," TENSOR("\\u0061", "[1]", 4, 8) "}", 8, "\"a\" stands twice"},
        {"{" TENSOR("a", "[1]", 0, 4) ",}", 4, "expected"},
        {"{" TENSOR("a", "[1]", 0, 4) "}", 3, "cut"},
        {"{" TENSOR("\\u0000", "[1]", 0, 4) "}", 4, "escape"},
        {"{" TENSOR("\\ud800", "[1]", 0, 4) "}", 4, "escape"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "text in __metadata__"},
        {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "duplicate"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice"},
        {"{\"a\nb\":1}", 0, "closing quote"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_error err = {0};
        cr_assert_eq(parse(cases[i].header, cases[i].data, &err), AS_E_INPUT, "%s", cases[i].header);
        cr_assert(strstr(err.text, cases[i].expected), "%s: %s", cases[i].header, err.text);
    }
}

Test(safetensors, refuses_the_bad_headers_of_the_fixtures)
{
    char **names;
    size_t count;
    as_error err;
    cr_assert_eq(as_dir_list("fixtures/bad/safetensors", &names, &count, &err), AS_OK);
    cr_assert(count >= 8);
    for (size_t i = 0; i < count; i++) {
        char path[AS_PATH_MAX];
        as_map map;
        as_tensor *tensors = NULL;
        json_t *kept = NULL;
        int64_t n = 0;
        uint64_t header = 0;
        cr_assert_eq(as_path_join(path, "fixtures/bad/safetensors", names[i], &err), AS_OK);
        cr_assert_eq(as_map_open(path, &map, &err), AS_OK);
        as_code rc = as_safetensors_parse(map.data, map.size, map.size, &tensors, &n, &kept, &header, &err);
        cr_assert_eq(rc, AS_E_INPUT, "%s", names[i]);
        as_map_close(&map);
    }
    as_names_free(names, count);
}
