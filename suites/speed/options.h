/* What the speed suite measures: the object "speed" of a profile, each key with its default in options.c. */
#ifndef AS_SUITES_SPEED_OPTIONS_H
#define AS_SUITES_SPEED_OPTIONS_H

#include "suites/common/settings.h"

enum { AS_SPEED_GRID = 8, AS_SPEED_REQUESTS = 8192 };

typedef struct as_speed_options {
    int64_t prompt_tokens[AS_SPEED_GRID], prompt_count;
    int64_t concurrency[AS_SPEED_GRID], concurrency_count;
    int64_t completion_tokens;
    int64_t requests_least, requests_most; /* in a cell of the grid */
    int64_t warmup;                        /* requests before each cell, not counted */
    double narrow;             /* half the interval of the median over the median: then a cell ends */
    int64_t floor_concurrency; /* at which the floors are judged; the other cells are reported */
    double open_load;          /* open arrivals at this share of what the closed load reached */
    int64_t open_requests;
    double send_lag_s; /* an open request sent later than this after it was due was not offered as asked */
    double silence_s;  /* without any event */
    as_gate tokens_per_s, ttft_s;
} as_speed_options;

AS_MUST_USE as_code as_speed_options_read(const json_t *profile, as_speed_options *out, as_error *err);

#endif
