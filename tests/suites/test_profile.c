/* suites/profile.h: the shipped profiles load; strangers' profiles are refused with the place. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "suites/profile.h"

Test(profile, the_shipped_ones_load)
{
    size_t count = 0;
    for (; as_profile_name_at(count); count++) {
        as_error err;
        json_t *profile = NULL;
        char name[64];
        strcpy(name, as_profile_name_at(count));
        cr_assert_eq(as_profile_load(name, &profile, &err), AS_OK, "%s", err.text);
        cr_assert_str_eq(json_string_value(json_object_get(profile, "id")), name);
        json_decref(profile);
    }
    cr_assert_eq(count, 2);
    as_error err;
    json_t *profile = NULL;
    cr_assert_eq(as_profile_load(as_profile_default, &profile, &err), AS_OK);
    json_decref(profile);
}

Test(profile, featherless_has_all_its_rules)
{
    as_error err;
    json_t *profile = NULL;
    cr_assert_eq(as_profile_load("featherless", &profile, &err), AS_OK);
    cr_assert_eq(json_array_size(json_object_get(profile, "rules")), 37);
    json_decref(profile);
}

Test(profile, an_unknown_name_lists_the_known_ones)
{
    as_error err;
    json_t *profile = NULL;
    cr_assert_eq(as_profile_load("fetherless", &profile, &err), AS_E_NOT_FOUND);
    cr_assert(strstr(err.text, "featherless, reference"), "%s", err.text);
    cr_assert_eq(as_profile_load("no/such.json", &profile, &err), AS_E_NOT_FOUND);
}

#define HEAD "{\"schema\":\"assay.profile/1\",\"id\":\"x\",\"title\":\"X\""
#define RULE "{\"id\":\"a\",\"title\":\"A\",\"suite\":\"rules\"}"

Test(profile, faults_are_named_with_their_place)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"[]", "not an object"},
        {"{}", "\"schema\" is missing"},
        {"{\"schema\":\"assay.profile/9\"}", "assay.profile/9"},
        {"{\"schema\":\"assay.profile/1\",\"id\":\"A b\"}", "\"id\" is \"A b\""},
        {HEAD "}", "\"rules\" is missing"},
        {HEAD ",\"rules\":3}", "\"rules\" is 3"},
        {HEAD ",\"rules\":[3]}", "rules[0]: 3, expected an object"},
        {HEAD ",\"rules\":[" RULE "," RULE "]}", "rules[1]: the id \"a\" stands twice"},
        {HEAD ",\"rules\":[{\"id\":\"a\",\"title\":\"A\",\"suite\":\"taste\"}]}",
         "rules[0]: \"suite\" is \"taste\""},
        {HEAD ",\"rules\":[{\"id\":\"a\",\"suite\":\"rules\"}]}", "rules[0]: \"title\" is missing"},
        {HEAD ",\"rules\":[{\"id\":\"a\",\"title\":\"A\",\"suite\":\"rules\",\"parameters\":[]}]}",
         "rules[0]: \"parameters\" is []"},
        {HEAD ",\"rules\":[],\"drift\":7}", "\"drift\" is 7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_error err;
        json_t *value = NULL;
        cr_assert_eq(as_json_parse(cases[i].text, strlen(cases[i].text), AS_JSON_LENIENT, "p", &value, &err),
                     AS_OK);
        cr_assert_neq(as_profile_validate(value, "p.json", &err), AS_OK, "%s", cases[i].text);
        cr_assert(strstr(err.text, cases[i].expected), "%s: %s", cases[i].text, err.text);
        cr_assert(strncmp(err.text, "p.json: ", 8) == 0);
        json_decref(value);
    }
}

Test(profile, a_file_is_a_profile_too)
{
    static const char text[] = HEAD ",\"rules\":[" RULE "],\"speed\":{}}";
    char path[] = "/tmp/assay-profile-XXXXXX.json";
    int fd = mkstemps(path, 5);
    cr_assert_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
    as_error err;
    json_t *profile = NULL;
    cr_assert_eq(as_profile_load(path, &profile, &err), AS_OK, "%s", err.text);
    json_decref(profile);
    unlink(path);
}

Test(profile, survives_failing_allocations)
{
    for (uint64_t n = 1; n < 10000; n++) {
        as_error err;
        json_t *profile = NULL;
        as_alloc_fail_after(n);
        as_code rc = as_profile_load("reference", &profile, &err);
        as_alloc_fail_after(0);
        json_decref(profile);
        if (rc == AS_OK) return;
        cr_assert_eq(rc, AS_E_MEMORY, "allocation %d: %s", (int)n, err.text);
    }
    cr_assert_fail("never succeeded");
}
