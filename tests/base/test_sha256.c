/* SHA-256 against the examples of FIPS 180-4 and NIST's CAVP vectors. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"

static void expect(const void *bytes, size_t size, const char *digest)
{
    for (size_t piece = 1; piece <= 200; piece = piece * 3 + 1) { /* any way of cutting gives the same */
        as_sha256 hash;
        char text[2 * AS_SHA256_BYTES + 1];
        as_sha256_init(&hash);
        for (size_t at = 0; at < size; at += piece) {
            as_sha256_add(&hash, (const char *)bytes + at, size - at < piece ? size - at : piece);
        }
        as_sha256_finish_hex(&hash, text);
        cr_assert_str_eq(text, digest, "%zu bytes in pieces of %zu: %s", size, piece, text);
    }
}

Test(sha256, published_vectors)
{
    expect("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    expect(two_blocks, strlen(two_blocks),
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    static const char long_one[] = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                                   "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    expect(long_one, strlen(long_one), "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    static const unsigned char one_byte[] = {0xd3};
    expect(one_byte, 1, "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
}

Test(sha256, a_million_letters)
{
    enum { MILLION = 1000000 };
    char *letters = as_alloc(MILLION), text[2 * AS_SHA256_BYTES + 1];
    as_sha256 hash;
    memset(letters, 'a', MILLION);
    as_sha256_init(&hash);
    as_sha256_add(&hash, letters, MILLION);
    as_sha256_finish_hex(&hash, text);
    cr_assert_str_eq(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    as_free(letters);
}

/* Every length around the padding's corners, against digests of digests: sha256(sha256 of n zero bytes for
 * n = 0..130, one behind the other), computed with Python's hashlib. */
Test(sha256, lengths_around_a_block)
{
    static const unsigned char zeros[130];
    as_sha256 all;
    char text[2 * AS_SHA256_BYTES + 1];
    as_sha256_init(&all);
    for (size_t n = 0; n <= sizeof zeros; n++) {
        as_sha256 one;
        unsigned char digest[AS_SHA256_BYTES];
        as_sha256_init(&one);
        as_sha256_add(&one, zeros, n);
        as_sha256_finish(&one, digest);
        as_sha256_add(&all, digest, sizeof digest);
    }
    as_sha256_finish_hex(&all, text);
    cr_assert_str_eq(text, "d6e99a52e4f306ac462a8669cfa9744fc9ac0cd54f1c1c92b91d2e3257397ead");
}
