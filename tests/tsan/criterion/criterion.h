/* As much of Criterion as the tests use, for the thread sanitizer's build: Criterion hands its tests their
 * data at addresses that this sanitizer keeps for itself, so its own programs do not start there. */
#ifndef AS_TESTS_TSAN_CRITERION_H
#define AS_TESTS_TSAN_CRITERION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct plain_test {
    struct plain_test *next;
    const char *suite, *name;
    void (*run)(void), (*init)(void), (*fini)(void);
    double timeout;
    int signal, exit_code;
    bool disabled;
} plain_test;

void plain_add_test(plain_test *test);
void plain_add_suite(plain_test *suite);
/* Prints what failed and where; a fatal failure ends the test. */
void plain_check(bool holds, bool fatal, const char *file, int line, const char *what, const char *format,
                 ...);

#define Test(suite_, name_, ...)                                                                             \
    static void plain_##suite_##_##name_(void);                                                              \
    __attribute__((constructor)) static void plain_add_##suite_##_##name_(void)                              \
    {                                                                                                        \
        static plain_test test = {                                                                           \
            .suite = #suite_, .name = #name_, .run = plain_##suite_##_##name_, __VA_ARGS__};                 \
        plain_add_test(&test);                                                                               \
    }                                                                                                        \
    static void plain_##suite_##_##name_(void)

#define TestSuite(suite_, ...)                                                                               \
    __attribute__((constructor)) static void plain_suite_##suite_(void)                                      \
    {                                                                                                        \
        static plain_test suite = {.suite = #suite_, __VA_ARGS__};                                           \
        plain_add_suite(&suite);                                                                             \
    }                                                                                                        \
    struct plain_semicolon_##suite_

#define PLAIN(fatal, holds, ...) plain_check((holds), fatal, __FILE__, __LINE__, #holds, "" __VA_ARGS__)

#define cr_assert(a, ...)                PLAIN(true, (a), __VA_ARGS__)
#define cr_assert_not(a, ...)            PLAIN(true, !(a), __VA_ARGS__)
#define cr_assert_eq(a, b, ...)          PLAIN(true, (a) == (b), __VA_ARGS__)
#define cr_assert_neq(a, b, ...)         PLAIN(true, (a) != (b), __VA_ARGS__)
#define cr_assert_lt(a, b, ...)          PLAIN(true, (a) < (b), __VA_ARGS__)
#define cr_assert_leq(a, b, ...)         PLAIN(true, (a) <= (b), __VA_ARGS__)
#define cr_assert_gt(a, b, ...)          PLAIN(true, (a) > (b), __VA_ARGS__)
#define cr_assert_geq(a, b, ...)         PLAIN(true, (a) >= (b), __VA_ARGS__)
#define cr_assert_null(a, ...)           PLAIN(true, (a) == NULL, __VA_ARGS__)
#define cr_assert_not_null(a, ...)       PLAIN(true, (a) != NULL, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)      PLAIN(true, strcmp((a), (b)) == 0, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)     PLAIN(true, strcmp((a), (b)) != 0, __VA_ARGS__)
#define cr_assert_float_eq(a, b, e, ...) PLAIN(true, (a) - (b) <= (e) && (b) - (a) <= (e), __VA_ARGS__)
#define cr_assert_fail(...)              PLAIN(true, false, __VA_ARGS__)
#define cr_expect(a, ...)                PLAIN(false, (a), __VA_ARGS__)
#define cr_expect_not(a, ...)            PLAIN(false, !(a), __VA_ARGS__)
#define cr_expect_eq(a, b, ...)          PLAIN(false, (a) == (b), __VA_ARGS__)
#define cr_expect_neq(a, b, ...)         PLAIN(false, (a) != (b), __VA_ARGS__)
#define cr_expect_lt(a, b, ...)          PLAIN(false, (a) < (b), __VA_ARGS__)
#define cr_expect_leq(a, b, ...)         PLAIN(false, (a) <= (b), __VA_ARGS__)
#define cr_expect_gt(a, b, ...)          PLAIN(false, (a) > (b), __VA_ARGS__)
#define cr_expect_geq(a, b, ...)         PLAIN(false, (a) >= (b), __VA_ARGS__)
#define cr_expect_null(a, ...)           PLAIN(false, (a) == NULL, __VA_ARGS__)
#define cr_expect_not_null(a, ...)       PLAIN(false, (a) != NULL, __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)      PLAIN(false, strcmp((a), (b)) == 0, __VA_ARGS__)
#define cr_expect_str_neq(a, b, ...)     PLAIN(false, strcmp((a), (b)) != 0, __VA_ARGS__)
#define cr_expect_float_eq(a, b, e, ...) PLAIN(false, (a) - (b) <= (e) && (b) - (a) <= (e), __VA_ARGS__)
#define cr_expect_fail(...)              PLAIN(false, false, __VA_ARGS__)

#endif
