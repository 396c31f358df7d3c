/* Checkpoints made for a test; see checkpoint.h. */
#include "tests/engine/checkpoint.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

checkpoint *checkpoint_read(const char *name)
{
    char path[512];
    as_repository *repo;
    as_error err;
    checkpoint *c = AS_NEW(checkpoint);
    snprintf(path, sizeof path, "fixtures/models/%s", name);
    cr_assert_eq(as_repository_open(path, &repo, &err), AS_OK, "%s", err.text);
    c->config = json_deep_copy(repo->config.value);
    for (int64_t f = 0; f < repo->weight_count; f++) {
        for (int64_t t = 0; t < repo->weights[f].tensor_count; t++) {
            const as_tensor *from = &repo->weights[f].tensors[t];
            const void *data;
            if (as_repository_find(repo, from->name) != from) continue;
            cr_assert_lt(c->count, CHECKPOINT_TENSORS);
            cr_assert_eq(as_repository_data(repo, from, &data, &err), AS_OK, "%s", err.text);
            checkpoint_tensor *to = &c->tensors[c->count++];
            snprintf(to->name, sizeof to->name, "%s", from->name);
            to->dtype = from->dtype;
            to->dims = from->dims;
            memcpy(to->shape, from->shape, sizeof to->shape);
            to->bytes = from->bytes;
            to->data = as_alloc(to->bytes);
            memcpy(to->data, data, to->bytes);
        }
    }
    as_repository_close(repo);
    return c;
}

checkpoint_tensor *checkpoint_find(checkpoint *c, const char *name)
{
    for (int64_t i = 0; i < c->count; i++) {
        if (strcmp(c->tensors[i].name, name) == 0) return &c->tensors[i];
    }
    cr_assert_fail("no tensor %s", name);
    return NULL;
}

void checkpoint_remove(checkpoint *c, const char *name)
{
    checkpoint_tensor *t = checkpoint_find(c, name);
    as_free(t->data);
    *t = c->tensors[--c->count];
}

checkpoint_tensor *checkpoint_copy(checkpoint *c, const char *name, const char *as)
{
    const checkpoint_tensor *from = checkpoint_find(c, name);
    cr_assert_lt(c->count, CHECKPOINT_TENSORS);
    checkpoint_tensor *to = &c->tensors[c->count++];
    *to = *from;
    snprintf(to->name, sizeof to->name, "%s", as);
    to->data = as_alloc(to->bytes);
    memcpy(to->data, from->data, to->bytes);
    return to;
}

void checkpoint_convert(checkpoint_tensor *t, as_dtype dtype)
{
    int64_t count = (int64_t)t->bytes / as_dtype_bytes(t->dtype);
    float *values = as_alloc((size_t)count * sizeof *values);
    unsigned char *data = as_calloc((size_t)count, (size_t)as_dtype_bytes(dtype));
    as_convert_to_f32(t->dtype, t->data, values, count);
    if (dtype == AS_F32 || dtype == AS_F16 || dtype == AS_BF16 || dtype == AS_E4M3) {
        as_convert_from_f32(dtype, values, data, count);
    } else if (dtype == AS_F64) {
        for (int64_t i = 0; i < count; i++) ((double *)data)[i] = (double)values[i];
    }
    as_free(values);
    as_free(t->data);
    t->data = data;
    t->bytes = (size_t)(count * as_dtype_bytes(dtype));
    t->dtype = dtype;
}

void checkpoint_convert_all(checkpoint *c, as_dtype dtype)
{
    for (int64_t i = 0; i < c->count; i++) checkpoint_convert(&c->tensors[i], dtype);
}

void checkpoint_file(checkpoint *c, const char *name, const char *text)
{
    char path[256];
    as_error err;
    snprintf(path, sizeof path, "%s/%s", c->path, name);
    cr_assert_eq(as_file_write(path, text, strlen(text), &err), AS_OK, "%s", err.text);
}

static void write_weights(checkpoint *c)
{
    as_buf header, file;
    size_t offset = 0;
    as_buf_init(&header, 0);
    as_buf_init(&file, 0);
    for (int64_t i = 0; i < c->count; i++) {
        const checkpoint_tensor *t = &c->tensors[i];
        as_buf_printf(&header, "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? ',' : '{', t->name,
                      as_dtype_name(t->dtype));
        for (int d = 0; d < t->dims; d++)
            as_buf_printf(&header, d ? ",%lld" : "%lld", (long long)t->shape[d]);
        as_buf_printf(&header, "],\"data_offsets\":[%zu,%zu]}", offset, offset + t->bytes);
        offset += t->bytes;
    }
    as_buf_char(&header, '}');
    while (header.size % 64 != 56 + c->shift) as_buf_char(&header, ' ');
    for (int i = 0; i < 8; i++) as_buf_char(&file, (char)(header.size >> 8 * i));
    as_buf_add(&file, header.data, header.size);
    for (int64_t i = 0; i < c->count; i++) as_buf_add(&file, c->tensors[i].data, c->tensors[i].bytes);
    char path[256];
    as_error err;
    snprintf(path, sizeof path, "%s/model.safetensors", c->path);
    cr_assert_eq(as_file_write(path, file.data, file.size, &err), AS_OK, "%s", err.text);
    as_buf_free(&header);
    as_buf_free(&file);
}

void checkpoint_write(checkpoint *c)
{
    as_buf text;
    if (!c->path[0]) {
        snprintf(c->path, sizeof c->path, "/tmp/assay-checkpoint-XXXXXX");
        cr_assert(mkdtemp(c->path));
    }
    as_buf_init(&text, 0);
    as_json_write(c->config, 1, &text);
    checkpoint_file(c, "config.json", as_buf_text(&text));
    as_buf_free(&text);
    write_weights(c);
}

void checkpoint_free(checkpoint *c)
{
    char **names = NULL, path[512];
    size_t count = 0;
    if (c->path[0] && as_dir_list(c->path, &names, &count, NULL) == AS_OK) {
        for (size_t i = 0; i < count; i++) {
            snprintf(path, sizeof path, "%s/%s", c->path, names[i]);
            unlink(path);
        }
        as_names_free(names, count);
        rmdir(c->path);
    }
    for (int64_t i = 0; i < c->count; i++) as_free(c->tensors[i].data);
    json_decref(c->config);
    as_free(c);
}

as_code checkpoint_open(checkpoint *c, const char *dtype, as_model **out, as_error *err)
{
    as_model_options options = {.dtype = dtype, .threads = 1, .without_tokenizer = true};
    checkpoint_write(c);
    return as_model_open(c->path, &options, out, err);
}
