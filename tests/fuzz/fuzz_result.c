/* A result document. What is accepted can be searched, concluded and written. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "suites/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *result = NULL;
    as_error err;
    if (as_json_parse((const char *)data, size, AS_JSON_LENIENT, "fuzz", &result, &err) != AS_OK) return 0;
    if (as_result_validate(result, "fuzz", &err) == AS_OK) {
        (void)as_result_find_check(result, "rules/model-card");
        (void)as_result_conclude(result);
        json_t *suite = as_result_suite(result, "rules");
        as_check check = {.id = "rules/added", .title = "added", .verdict = AS_FAIL, .why = "to try"};
        if (as_result_add_check(suite, &check, &err) != AS_OK) abort();
        if (as_result_conclude(result) == AS_SKIP) abort();
        if (as_result_validate(result, "again", &err) != AS_OK) abort();
        as_buf text;
        as_buf_init(&text, 0);
        as_json_write(result, 1, &text);
        as_buf_free(&text);
    }
    json_decref(result);
    return 0;
}
