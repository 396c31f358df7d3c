/* base/buf.h, base/utf8.h, base/error.h, base/rng.h: the small things that all else trusts. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"

Test(utf8, round_trips_every_codepoint)
{
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        char bytes[4];
        uint32_t back;
        int n = as_utf8_put(c, bytes);
        cr_assert_eq(as_utf8_next(bytes, (size_t)n, &back), n);
        cr_assert_eq(back, c);
    }
}

Test(utf8, finds_the_maximal_invalid_subpart)
{
    static const struct {
        const char *bytes;
        int expected;
    } cases[] = {{"\x80", -1},         {"\xC0\x80", -1},     {"\xE2\x82", -2},     {"\xF0\x9F\x98", -3},
                 {"\xED\xA0\x80", -1}, {"\xF4\x90\x80", -1}, {"\xE2\x28\xA1", -1}, {"\xFF", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t c;
        cr_assert_eq(as_utf8_next(cases[i].bytes, strlen(cases[i].bytes), &c), cases[i].expected, "case %zu",
                     i);
        cr_assert_eq(c, AS_UTF8_REPLACEMENT);
    }
}

Test(buf, keeps_its_maximum_and_says_so)
{
    as_buf buf;
    as_error err;
    as_buf_init(&buf, 10);
    as_buf_str(&buf, "0123456789");
    cr_assert_eq(as_buf_check(&buf, "it", &err), AS_OK);
    as_buf_char(&buf, 'x');
    as_buf_str(&buf, "");
    cr_assert_eq(as_buf_check(&buf, "the page", &err), AS_E_LIMIT);
    cr_assert(strstr(err.text, "the page"));
    cr_assert_str_eq(as_buf_text(&buf), "0123456789");
    as_buf_free(&buf);
}

Test(buf, escapes_json_and_replaces_bad_bytes)
{
    as_buf buf;
    as_buf_init(&buf, 0);
    as_buf_json_string(&buf, "a\"\\\n\x01\xFF\0z", 8);
    cr_assert_str_eq(as_buf_text(&buf), "\"a\\\"\\\\\\n\\u0001\xEF\xBF\xBD\\u0000z\"");
    as_buf_free(&buf);
}

Test(error, grows_outwards_and_keeps_its_code)
{
    as_error err;
    cr_assert_eq(as_fail(&err, AS_E_INPUT, "shape [%d,%d], expected [%d,%d]", 64, 32, 64, 64), AS_E_INPUT);
    cr_assert_eq(as_wrap(&err, "layer %d", 3), AS_E_INPUT);
    cr_assert_str_eq(err.text, "layer 3: shape [64,32], expected [64,64]");
    cr_assert_eq(as_fail(&err, AS_E_IO, "x: %s", err.text), AS_E_IO);
    cr_assert_str_eq(err.text, "x: layer 3: shape [64,32], expected [64,64]");
    cr_assert_eq(as_exit_status(AS_E_CANCELLED), 130);
}

Test(arena, respects_its_limit)
{
    as_arena arena;
    as_arena_init(&arena, 1000);
    cr_assert_not_null(as_arena_alloc(&arena, 900));
    cr_assert_null(as_arena_alloc(&arena, 200));
    cr_assert_null(as_arena_calloc(&arena, SIZE_MAX / 2, 16));
    as_arena_free(&arena);
}

/* Known answer of Philox 4x32-10 for all-zero and all-one inputs, from the authors' kat_vectors. */
Test(rng, matches_the_published_vectors)
{
    uint32_t out[4];
    as_rng_block(0, 0, 0, out);
    cr_assert_eq(out[0], 0x6627e8d5u);
    cr_assert_eq(out[1], 0xe169c58du);
    cr_assert_eq(out[2], 0xbc57ac4cu);
    cr_assert_eq(out[3], 0x9b00dbd8u);
    as_rng_block(UINT64_MAX, UINT64_MAX, UINT64_MAX, out);
    cr_assert_eq(out[0], 0x408f276du);
}
