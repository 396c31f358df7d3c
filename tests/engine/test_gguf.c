/* engine/load/gguf.h: values of every type, and files that break the form. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "tests/engine/gguf_build.h"

static as_code parse(const as_buf *b, as_gguf *out, as_error *err)
{
    return as_gguf_parse((const unsigned char *)b->data, b->size, b->size, out, err);
}

#define PUT_NUMBER(key, id, ctype, number)                                                                   \
    do {                                                                                                     \
        ctype v = (number);                                                                                  \
        put_text(&b, key);                                                                                   \
        put_u32(&b, id);                                                                                     \
        as_buf_add(&b, &v, sizeof v);                                                                        \
    } while (0)

Test(gguf, reads_values_of_every_type)
{
    as_buf b;
    as_gguf g;
    as_error err;
    as_buf_init(&b, 0);
    put_header(&b, 3, 0, 15);
    PUT_NUMBER("u8", AS_GGUF_U8, uint8_t, 200);
    PUT_NUMBER("i8", AS_GGUF_I8, int8_t, -5);
    PUT_NUMBER("u16", AS_GGUF_U16, uint16_t, 60000);
    PUT_NUMBER("i16", AS_GGUF_I16, int16_t, -300);
    PUT_NUMBER("u32", AS_GGUF_U32, uint32_t, 4000000000u);
    PUT_NUMBER("i32", AS_GGUF_I32, int32_t, -70000);
    PUT_NUMBER("u64", AS_GGUF_U64, uint64_t, (uint64_t)1 << 62);
    PUT_NUMBER("i64", AS_GGUF_I64, int64_t, -((int64_t)1 << 61) - 1);
    PUT_NUMBER("f32", AS_GGUF_F32, float, 0.25f);
    PUT_NUMBER("f64", AS_GGUF_F64, double, 1e300);
    PUT_NUMBER("bool", AS_GGUF_BOOL, uint8_t, 1);
    PUT_NUMBER("big", AS_GGUF_U64, uint64_t, UINT64_MAX);
    put_pair_text(&b, "text", "Gr\u00fc\u00dfe");
    put_array(&b, "words", AS_GGUF_STRING, 2);
    put_text(&b, "a");
    put_text(&b, "");
    put_array(&b, "nested", AS_GGUF_ARRAY, 1);
    put_u32(&b, AS_GGUF_I8);
    put_u64(&b, 3);
    as_buf_add(&b, "xyz", 3);
    cr_assert_eq(parse(&b, &g, &err), AS_OK, "%s", err.text);
    static const struct {
        const char *key;
        int64_t value;
    } whole[] = {{"u8", 200},
                 {"i8", -5},
                 {"u16", 60000},
                 {"i16", -300},
                 {"i32", -70000},
                 {"u32", 4000000000},
                 {"u64", (int64_t)1 << 62},
                 {"i64", -((int64_t)1 << 61) - 1}};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        int64_t value = 0;
        cr_assert_eq(as_gguf_get_int(&g, whole[i].key, &value, &err), AS_OK, "%s", err.text);
        cr_assert_eq(value, whole[i].value, "%s is %lld", whole[i].key, (long long)value);
    }
    cr_assert_eq(as_gguf_number(as_gguf_find(&g, "f32"), 0), 0.25);
    cr_assert_eq(as_gguf_number(as_gguf_find(&g, "f64"), 0), 1e300);
    bool flag = false;
    int64_t kept = 7;
    cr_assert(as_gguf_get_bool(&g, "bool", &flag, &err) == AS_OK && flag);
    cr_assert(as_gguf_get_int(&g, "absent", &kept, &err) == AS_OK && kept == 7);
    cr_assert_eq(as_gguf_get_int(&g, "big", &kept, &err), AS_E_INPUT);
    cr_assert_eq(as_gguf_get_int(&g, "text", &kept, &err), AS_E_INPUT);
    cr_assert_str_eq(err.text, "\"text\" is string, expected an integer");
    const as_gguf_value *words = NULL;
    cr_assert_eq(as_gguf_get_strings(&g, "words", &words, &err), AS_OK);
    cr_assert_eq(as_gguf_get_strings(&g, "nested", &words, &err), AS_E_INPUT);
    as_gguf_cursor at;
    const char *text;
    size_t size;
    as_gguf_first(&at, words);
    cr_assert(as_gguf_next(&at, &text, &size) && size == 1 && text[0] == 'a');
    cr_assert(as_gguf_next(&at, &text, &size) && size == 0);
    cr_assert_not(as_gguf_next(&at, &text, &size));
    as_gguf_free(&g);
    as_buf_free(&b);
}

Test(gguf, places_tensors_by_the_alignment)
{
    as_buf b;
    as_gguf g;
    as_error err;
    as_buf_init(&b, 0);
    put_header(&b, 2, 2, 1);
    put_pair_u32(&b, "general.alignment", 64);
    put_tensor(&b, "b", 3, 32, 8, 64); /* Q8_0 */
    put_tensor(&b, "a", 0, 5, 0, 0);   /* F32 */
    put_data(&b, 64, 64 + 3 * 34);
    cr_assert_eq(parse(&b, &g, &err), AS_OK, "%s", err.text);
    cr_assert_eq(g.alignment, 64);
    cr_assert_eq(g.tensors[1].offset % 64, 0);
    cr_assert_eq(g.tensors[1].offset, g.tensors[0].offset - 64);
    cr_assert_eq(g.tensors[0].bytes, 102);
    cr_assert_str_eq(g.tensors[0].kind->name, "Q8_0");
    as_gguf_free(&g);
    as_buf_free(&b);
}

/* ---- what is refused ---- */

static void no_magic(as_buf *b)
{
    as_buf_str(b, "GGML0000000000000000000000000");
}

static void version_1(as_buf *b)
{
    put_header(b, 1, 0, 0);
}

static void big_endian(as_buf *b)
{
    put_header(b, 3u << 24, 0, 0);
}

static void absurd_pairs(as_buf *b)
{
    put_header(b, 3, 0, UINT64_MAX / 2);
}

static void absurd_tensors(as_buf *b)
{
    put_header(b, 3, UINT64_MAX / 2, 0);
}

static void absurd_array(as_buf *b)
{
    put_header(b, 3, 0, 1);
    put_array(b, "list", AS_GGUF_U64, UINT64_MAX / 4);
}

static void absurd_text(as_buf *b)
{
    put_header(b, 3, 0, 1);
    put_text(b, "text");
    put_u32(b, AS_GGUF_STRING);
    put_u64(b, UINT64_MAX);
    put_u64(b, 0);
}

static void key_twice(as_buf *b)
{
    put_header(b, 3, 0, 2);
    put_pair_u32(b, "key", 1);
    put_pair_u32(b, "key", 2);
}

static void key_not_text(as_buf *b)
{
    put_header(b, 3, 0, 1);
    put_pair_u32(b, "\xff\xfe", 1);
}

static void unknown_value(as_buf *b)
{
    put_header(b, 3, 0, 1);
    put_text(b, "key");
    put_u32(b, 99);
    put_u64(b, 0);
}

static void deep(as_buf *b)
{
    put_header(b, 3, 0, 1);
    put_array(b, "deep", AS_GGUF_ARRAY, 1);
    for (int i = 0; i < 50; i++) {
        put_u32(b, AS_GGUF_ARRAY);
        put_u64(b, 1);
    }
}

static void odd_alignment(as_buf *b)
{
    put_header(b, 3, 0, 1);
    put_pair_u32(b, "general.alignment", 24);
}

static void tensor_twice(as_buf *b)
{
    put_header(b, 3, 2, 0);
    put_tensor(b, "w", 0, 8, 0, 0);
    put_tensor(b, "w", 0, 8, 0, 32);
    put_data(b, 32, 64);
}

static void overlap(as_buf *b)
{
    put_header(b, 3, 2, 0);
    put_tensor(b, "v", 0, 16, 0, 0);
    put_tensor(b, "w", 0, 8, 0, 32);
    put_data(b, 32, 64);
}

static void outside(as_buf *b)
{
    put_header(b, 3, 1, 0);
    put_tensor(b, "w", 0, 8, 0, UINT64_MAX - 31);
    put_data(b, 32, 64);
}

static void too_long(as_buf *b)
{
    put_header(b, 3, 1, 0);
    put_tensor(b, "w", 0, 100, 0, 0);
    put_data(b, 32, 64);
}

static void misaligned(as_buf *b)
{
    put_header(b, 3, 1, 0);
    put_tensor(b, "w", 0, 4, 0, 8);
    put_data(b, 32, 64);
}

static void absurd_shape(as_buf *b)
{
    put_header(b, 3, 1, 0);
    put_tensor(b, "w", (uint64_t)1 << 40, (uint64_t)1 << 40, 0, 0);
    put_data(b, 32, 64);
}

static void five_dims(as_buf *b)
{
    put_header(b, 3, 1, 0);
    put_text(b, "w");
    put_u32(b, 5);
    put_data(b, 32, 64);
}

static void unknown_kind(as_buf *b)
{
    put_header(b, 3, 1, 0);
    put_tensor(b, "w", 0, 8, 4, 0);
    put_data(b, 32, 64);
}

static void part_of_block(as_buf *b)
{
    put_header(b, 3, 1, 0);
    put_tensor(b, "w", 2, 48, 8, 0);
    put_data(b, 32, 256);
}

static const struct {
    const char *name;
    void (*make)(as_buf *b);
    as_code code;
    const char *phrase;
} refused[] = {
    {"magic", no_magic, AS_E_INPUT, "not a GGUF file"},
    {"version", version_1, AS_E_UNSUPPORTED, "version 1, versions 2 and 3 are read"},
    {"byte order", big_endian, AS_E_UNSUPPORTED, "big-endian"},
    {"pairs", absurd_pairs, AS_E_INPUT, "the metadata goes beyond the end"},
    {"tensors", absurd_tensors, AS_E_INPUT, "the list of tensors goes beyond the end"},
    {"array", absurd_array, AS_E_INPUT, "key \"list\": an array goes beyond the end"},
    {"text", absurd_text, AS_E_INPUT, "key \"text\": a text goes beyond the end"},
    {"key twice", key_twice, AS_E_INPUT, "key \"key\" stands twice"},
    {"key", key_not_text, AS_E_INPUT, "a key is not UTF-8 text"},
    {"value", unknown_value, AS_E_INPUT, "key \"key\": value type 99 is not known"},
    {"deep", deep, AS_E_LIMIT, "arrays within arrays"},
    {"alignment", odd_alignment, AS_E_INPUT, "is 24, expected a power of two"},
    {"tensor twice", tensor_twice, AS_E_INPUT, "tensor \"w\" stands twice"},
    {"overlap", overlap, AS_E_INPUT, "tensor \"w\" begins at 32, inside \"v\""},
    {"outside", outside, AS_E_INPUT, "the file is cut"},
    {"too long", too_long, AS_E_INPUT, "needs 400 bytes at 0"},
    {"misaligned", misaligned, AS_E_INPUT, "not a multiple of the alignment 32"},
    {"shape", absurd_shape, AS_E_INPUT, "more than 2^63 elements"},
    {"dims", five_dims, AS_E_INPUT, "5 dimensions"},
    {"kind", unknown_kind, AS_E_UNSUPPORTED, "tensor \"w\": its type is number 4"},
    {"block", part_of_block, AS_E_INPUT, "rows of 48 elements, Q8_0 needs a multiple of 32"},
};

Test(gguf, refuses_what_breaks_the_form)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        as_buf b;
        as_gguf g;
        as_error err;
        as_buf_init(&b, 0);
        refused[i].make(&b);
        as_code rc = parse(&b, &g, &err);
        cr_assert_eq(rc, refused[i].code, "%s: %d", refused[i].name, (int)rc);
        cr_assert(strstr(err.text, refused[i].phrase), "%s: no \"%s\" in: %s", refused[i].name,
                  refused[i].phrase, err.text);
        as_buf_free(&b);
    }
}

static void make_sound(as_buf *b)
{
    put_header(b, 3, 2, 3);
    put_pair_text(b, "general.architecture", "llama");
    put_pair_u32(b, "llama.block_count", 1);
    put_array(b, "tokens", AS_GGUF_STRING, 2);
    put_text(b, "a");
    put_text(b, "b");
    put_tensor(b, "v", 0, 8, 0, 0);
    put_tensor(b, "w", 2, 8, 1, 32);
    put_data(b, 32, 64);
}

Test(gguf, refuses_every_cut)
{
    as_buf b;
    as_gguf g;
    as_error err;
    as_buf_init(&b, 0);
    make_sound(&b);
    cr_assert_eq(parse(&b, &g, &err), AS_OK, "%s", err.text);
    uint64_t header = g.header_bytes;
    as_gguf_free(&g);
    for (size_t size = 0; size < b.size; size++) {
        /* a copy without room behind it, so that a sanitizer sees what is read beyond */
        unsigned char *part = as_alloc(size);
        memcpy(part, b.data, size);
        cr_assert_neq(as_gguf_parse(part, size, size, &g, &err), AS_OK, "cut at %zu", size);
        as_code head = as_gguf_parse(part, size, b.size, &g, &err);
        cr_assert_eq(head == AS_OK, size >= header, "the first %zu bytes: %s", size, err.text);
        if (head == AS_OK) as_gguf_free(&g);
        as_free(part);
    }
    as_buf_free(&b);
}

Test(gguf, notices_failed_allocations)
{
    as_buf b;
    as_gguf g;
    as_error err;
    as_code rc = AS_E_MEMORY;
    as_buf_init(&b, 0);
    make_sound(&b);
    int n = 1;
    for (; rc == AS_E_MEMORY && n < 200; n++) {
        as_alloc_fail_after((uint64_t)n);
        rc = parse(&b, &g, &err);
        as_alloc_fail_after(0);
    }
    cr_assert_eq(rc, AS_OK, "%s", err.text);
    cr_assert_gt(n, 3);
    as_gguf_free(&g);
    as_buf_free(&b);
}
