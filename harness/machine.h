/* What this machine is, for the manifest of a result: nothing that names its owner. */
#ifndef AS_HARNESS_MACHINE_H
#define AS_HARNESS_MACHINE_H

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

/* {cpu, cores, memory_bytes, os, instruction_sets: [...], level}; a new reference, NULL when memory is out.
 */
json_t *as_machine_facts(void);
/* {version, commit, build}; a new reference. */
json_t *as_tool_facts(void);
/* "assay 0.1.0 (3f1c9e2), GNU 14.2.0 Release" and a newline. */
void as_tool_line(as_buf *out);
/* Measures the limits of this machine with that many threads (about two seconds): {read_gbps, fma_gflops,
 * ...}. */
AS_MUST_USE as_code as_machine_limits(int threads, json_t **out, as_error *err);

#endif
