/* Runs the tests of a program one after the other, each in its own process; see criterion/criterion.h. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static plain_test *tests, *suites;
static bool failed;

void plain_add_test(plain_test *test)
{
    test->next = tests;
    tests = test;
}

void plain_add_suite(plain_test *suite)
{
    suite->next = suites;
    suites = suite;
}

void plain_check(bool holds, bool fatal, const char *file, int line, const char *what, const char *format,
                 ...)
{
    if (holds) return;
    va_list args;
    fprintf(stderr, "%s:%d: %s\n    ", file, line, what);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    failed = true;
    if (fatal) exit(1);
}

static _Noreturn void run_here(const plain_test *test)
{
    plain_test suite = {0};
    for (const plain_test *s = suites; s; s = s->next) {
        if (strcmp(s->suite, test->suite) == 0) suite = *s;
    }
    if (suite.init) suite.init();
    if (test->init) test->init();
    test->run();
    if (test->fini) test->fini();
    if (suite.fini) suite.fini();
    exit(failed);
}

/* Whether the test ended as it should. */
static bool run_apart(const plain_test *test)
{
    pid_t child = fork();
    if (child == 0) run_here(test);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return false;
    if (test->signal) return WIFSIGNALED(status) && WTERMSIG(status) == test->signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == test->exit_code;
}

int main(void)
{
    int run = 0, wrong = 0;
    for (const plain_test *test = tests; test; test = test->next) {
        if (test->disabled) continue;
        bool good = run_apart(test);
        if (!good) fprintf(stderr, "[FAIL] %s::%s\n", test->suite, test->name);
        run++;
        wrong += !good;
    }
    fprintf(stderr, "Tested: %d | Failing: %d\n", run, wrong);
    return wrong > 0;
}
