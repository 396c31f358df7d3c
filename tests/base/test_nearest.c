/* What was probably meant. */
#include "base/nearest.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *meant(const char *word)
{
    static const char *const known[] = {"run",
                                        "rules",
                                        "drift",
                                        "--prompt",
                                        "org/Llama-3.1-8B",
                                        "org/Llama-3.1-8B-Instruct",
                                        "TinyLlama/TinyLlama-1.1B-Chat-v1.0"};
    as_nearest nearest = {.word = word};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) as_nearest_offer(&nearest, known[i]);
    return nearest.best ? nearest.best : "none";
}

static void check(const char *word, const char *expected)
{
    cr_assert(strcmp(meant(word), expected) == 0, "\"%s\" became %s, expected %s", word, meant(word),
              expected);
}

Test(nearest, finds_what_was_meant)
{
    check("runn", "run");
    check("rn", "run");
    check("rulse", "rules");
    check("--promt", "--prompt");
    check("llama-3.1-8b", "org/Llama-3.1-8B");
    check("Llama-3.1-8B-Instrct", "org/Llama-3.1-8B-Instruct");
    check("TinyLlama-1.1B", "TinyLlama/TinyLlama-1.1B-Chat-v1.0");
    check("tinyllama/tinyllama-1.1b-chat", "TinyLlama/TinyLlama-1.1B-Chat-v1.0");
}

Test(nearest, says_nothing_where_nothing_is_near)
{
    check("", "none");
    check("xyzzy", "none");
    check("/", "none");
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    check(longest, "none");
}

Test(nearest, hint_is_a_phrase_or_nothing)
{
    char room[AS_NEAREST_HINT];
    as_nearest nearest = {.word = "runn"};
    cr_assert_str_eq(as_nearest_hint(&nearest, "", room), "");
    as_nearest_offer(&nearest, "run");
    cr_assert_str_eq(as_nearest_hint(&nearest, "assay ", room), " (did you mean assay run?)");
}
