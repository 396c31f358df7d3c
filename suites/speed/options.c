/* Speed settings; see options.h. */
#include "suites/speed/options.h"

#include <math.h>

static const char SECTION[] = "speed";

static const as_speed_options DEFAULTS = {
    .prompt_tokens = {128, 1024},
    .prompt_count = 2,
    .concurrency = {1, 4},
    .concurrency_count = 2,
    .completion_tokens = 64,
    .requests_least = 8,
    .requests_most = 32,
    .warmup = 1,
    .narrow = 0.05,
    .floor_concurrency = 1,
    .open_load = 0.5,
    .open_requests = 24,
    .send_lag_s = 0.1,
    .silence_s = 120,
    .tokens_per_s = {NAN, NULL},
    .ttft_s = {NAN, NULL},
};

static as_code check_range(const char *key, double value, double least, double most, as_error *err)
{
    if (value >= least && value <= most) return AS_OK;
    return as_fail(err, AS_E_INPUT, "profile: speed: %s is %g, expected %g to %g", key, value, least, most);
}

static as_code read_counts(const json_t *profile, as_speed_options *o, as_error *err)
{
    const struct {
        const char *key;
        int64_t *value;
        int64_t least, most;
    } counts[] = {
        {"completion_tokens", &o->completion_tokens, 2, 1 << 20},
        {"requests_least", &o->requests_least, 6, AS_SPEED_REQUESTS},
        {"requests_most", &o->requests_most, 6, AS_SPEED_REQUESTS},
        {"warmup", &o->warmup, 0, 100},
        {"floor_concurrency", &o->floor_concurrency, 1, 1024},
        {"open_requests", &o->open_requests, 0, AS_SPEED_REQUESTS},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        AS_TRY(as_setting_int(profile, SECTION, counts[i].key, counts[i].value, err));
        AS_TRY(check_range(counts[i].key, (double)*counts[i].value, (double)counts[i].least,
                           (double)counts[i].most, err));
    }
    if (o->requests_most < o->requests_least) o->requests_most = o->requests_least;
    return AS_OK;
}

as_code as_speed_options_read(const json_t *profile, as_speed_options *out, as_error *err)
{
    as_speed_options o = DEFAULTS;
    AS_TRY(as_setting_ints(profile, SECTION, "prompt_tokens", o.prompt_tokens, AS_SPEED_GRID, &o.prompt_count,
                           err));
    AS_TRY(as_setting_ints(profile, SECTION, "concurrency", o.concurrency, AS_SPEED_GRID,
                           &o.concurrency_count, err));
    for (int64_t i = 0; i < o.prompt_count; i++) {
        AS_TRY(check_range("prompt_tokens", (double)o.prompt_tokens[i], 1, 1 << 24, err));
    }
    for (int64_t i = 0; i < o.concurrency_count; i++) {
        AS_TRY(check_range("concurrency", (double)o.concurrency[i], 1, 1024, err));
    }
    AS_TRY(read_counts(profile, &o, err));
    const struct {
        const char *key;
        double *value, least, most;
    } numbers[] = {{"narrow", &o.narrow, 0, 1},
                   {"open_load", &o.open_load, 0.01, 10},
                   {"send_lag_s", &o.send_lag_s, 0, 3600},
                   {"silence_s", &o.silence_s, 1e-6, 86400}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        AS_TRY(as_setting_number(profile, SECTION, numbers[i].key, numbers[i].value, err));
        AS_TRY(check_range(numbers[i].key, *numbers[i].value, numbers[i].least, numbers[i].most, err));
    }
    AS_TRY(as_setting_gate(profile, SECTION, "tokens_per_s", &o.tokens_per_s, err));
    AS_TRY(as_setting_gate(profile, SECTION, "ttft_s", &o.ttft_s, err));
    *out = o;
    return AS_OK;
}
