/* Checks and series of the speed suite. */
#ifndef AS_SUITES_SPEED_REPORT_H
#define AS_SUITES_SPEED_REPORT_H

#include "suites/speed/metrics.h"

enum { AS_SPEED_ID = 96 };

/* One cell of the grid, as the floors see it. */
typedef struct as_speed_cell {
    int64_t prompt, concurrency;
    bool measured;
    int64_t failed, miscounted, done;
    as_interval rate, ttft; /* medians; ttft from the due time */
    as_interval ttft_send;
    double requests_rate;
    char problem[256];
} as_speed_cell;

typedef struct as_speed_cells {
    int64_t count;
    as_speed_cell items[AS_SPEED_GRID * AS_SPEED_GRID];
} as_speed_cells;

void as_speed_cell_id(const as_speed_cell *cell, char id[static AS_SPEED_ID]);
/* "speed/closed-p<prompt>-c<concurrency>" with every metric, and the series. */
AS_MUST_USE as_code as_speed_report_cell(as_suite_context *context, const as_speed_options *options,
                                         const as_load_result *result, const as_speed_metrics *metrics,
                                         as_speed_cell *cell, as_error *err);
/* The cell as an earlier run recorded it; false when it did not. */
bool as_speed_restore_cell(const as_suite_context *context, as_speed_cell *cell);
/* "speed/open-<arrival>" */
AS_MUST_USE as_code as_speed_report_open(as_suite_context *context, const as_speed_options *options,
                                         const as_load *load, const as_load_result *result,
                                         const as_speed_metrics *metrics, as_error *err);
/* Floors, counts, fractions of the machine's limits, the profile's rules: from the cells. */
AS_MUST_USE as_code as_speed_report_floors(as_suite_context *context, const as_speed_options *options,
                                           const as_speed_cells *cells, as_error *err);

#endif
