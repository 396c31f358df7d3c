/* Speed of the kernels on the shapes of real models, as fractions of what the probe measures in the same run.
 *
 *     bench_ops [--level avx512] [--threads 2] [--filter TEXT] [--seconds 0.5]
 *
 * Not a test: nothing is judged. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/ops.h"
#include "kernels/probe.h"

typedef struct bench {
    const as_backend *backend;
    as_exec exec;
    as_probe probe;
    const char *filter;
    double seconds;
    unsigned char *buffer; /* that bandwidth is measured on */
} bench;

enum { BUFFER_BYTES = 1 << 30 };

static void die(const char *what, const as_error *err)
{
    fprintf(stderr, "bench_ops: %s%s%s\n", what, err ? ": " : "", err ? err->text : "");
    exit(4);
}

static void *pages(size_t size)
{
    void *p = as_alloc_pages(size);
    if (!p) die("out of memory", NULL);
    return p;
}

static float *random_floats(int64_t count, uint64_t stream)
{
    float *p = pages((size_t)count * sizeof *p);
    as_rng rng;
    as_rng_init(&rng, 1, stream);
    for (int64_t i = 0; i < count; i++) p[i] = (float)as_rng_u32(&rng) * 0x1p-31f - 1;
    return p;
}

/* Repeated calls in seconds, each with a piece of the probe's own work beside it, so that both meet the same
 * neighbours. Wall time for bandwidth; for arithmetic also processor time per thread, which other work on the
 * machine does not lengthen. Medians. */
typedef struct timing {
    double wall, cpu;
    double gbps, gflops; /* the probe's, by processor time */
} timing;

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

typedef void call_function(const bench *b, void *context, int turn);

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof values[0], by_value);
    return values[count / 2];
}

static timing time_calls(const bench *b, call_function *call, void *context)
{
    enum { MOST = 400 };
    static double wall[MOST], cpu[MOST], gflops[MOST], gbps[MOST];
    int count = 0, threads = as_pool_threads(b->exec.pool);
    as_probe probe = b->probe;
    call(b, context, 0);
    for (double end = as_clock_seconds() + b->seconds; count < MOST; count++) {
        double start = as_clock_seconds(), start_cpu = cpu_seconds();
        call(b, context, count + 1);
        wall[count] = as_clock_seconds() - start;
        cpu[count] = (cpu_seconds() - start_cpu) / threads;
        as_probe_again(b->exec.pool, b->buffer, BUFFER_BYTES, &probe);
        gbps[count] = probe.read_cpu_gbps;
        gflops[count] = probe.fma_cpu_gflops;
        if (as_clock_seconds() > end && count >= 5) break;
    }
    return (timing){median(wall, count), median(cpu, count), median(gbps, count), median(gflops, count)};
}

static void print_row(const char *name, timing t, double flops, double bytes)
{
    double gflops = flops / t.cpu * 1e-9, gbps = bytes / t.cpu * 1e-9;
    printf("%-34s wall %9.1f us cpu %9.1f us  %7.2f GB/s of %6.2f %5.1f%%  %8.1f GFLOP/s of %6.1f %5.1f%%\n",
           name, t.wall * 1e6, t.cpu * 1e6, gbps, t.gbps, 100 * gbps / t.gbps, gflops, t.gflops,
           100 * gflops / t.gflops);
    fflush(stdout);
}

static bool wanted(const bench *b, const char *name)
{
    return !b->filter || strstr(name, b->filter);
}

/* Matrix products. Each turn takes the next of several matrices, so that weights come from memory. */
typedef struct matmul_bench {
    as_matrix w;
    int64_t copies, bytes;
    const unsigned char *data;
    float *x, *out;
    int64_t n;
} matmul_bench;

static void matmul_call(const bench *b, void *context, int turn)
{
    matmul_bench *m = context;
    as_matrix w = m->w;
    w.data = m->data + turn % m->copies * m->bytes;
    as_matmul_args args = {
        .w = &w, .x = m->x, .n = m->n, .x_stride = w.cols, .out = m->out, .out_stride = w.rows};
    b->backend->matmul(&b->exec, &args);
}

static void bench_matmul(const bench *b, as_dtype type, int64_t rows, int64_t cols, int64_t n)
{
    char name[64];
    snprintf(name, sizeof name, "matmul %s %ldx%ld n=%ld", as_dtype_name(type), (long)rows, (long)cols,
             (long)n);
    if (!wanted(b, name)) return;
    matmul_bench m = {.w = {.dtype = type, .rows = rows, .cols = cols, .stride = cols}, .n = n};
    m.bytes = rows * cols * as_dtype_bytes(type);
    m.copies = n > 64 ? 1 : 1 + (600 << 20) / m.bytes;
    unsigned char *data = pages((size_t)(m.copies * m.bytes));
    float *values = random_floats(rows * cols, 7);
    for (int64_t c = 0; c < m.copies; c++) as_convert_from_f32(type, values, data + c * m.bytes, rows * cols);
    as_free_pages(values, (size_t)(rows * cols) * sizeof(float));
    m.data = data;
    m.x = random_floats(n * cols, 8);
    m.out = random_floats(n * rows, 9);
    timing t = time_calls(b, matmul_call, &m);
    print_row(name, t, 2.0 * (double)(rows * cols * n), (double)m.bytes);
    as_free_pages(data, (size_t)(m.copies * m.bytes));
    as_free_pages(m.x, (size_t)(n * cols) * sizeof(float));
    as_free_pages(m.out, (size_t)(n * rows) * sizeof(float));
}

static void bench_matmuls(const bench *b)
{
    static const as_dtype types[] = {AS_F16, AS_BF16, AS_E4M3, AS_F32};
    static const int64_t shapes[][2] = {{2048, 2048}, {256, 2048}, {5632, 2048}, {2048, 5632}, {32000, 2048}};
    static const int64_t batches[] = {1, 2, 4, 8, 16, 64, 512};
    for (int t = 0; t < 4; t++) {
        for (int s = 0; s < 5; s++) {
            for (int n = 0; n < 7; n++) bench_matmul(b, types[t], shapes[s][0], shapes[s][1], batches[n]);
        }
    }
}

/* Attention of n rows whose last stands at position context - 1; flops and bytes of the visible keys alone.
 */
typedef struct attention_bench {
    as_kv_layer cache;
    as_span span;
    float *q, *out;
    int64_t heads;
} attention_bench;

static void attention_call(const bench *b, void *context, int turn)
{
    (void)turn;
    attention_bench *a = context;
    as_attention_args args = {.cache = &a->cache,
                              .q = a->q,
                              .out = a->out,
                              .q_stride = a->heads * a->cache.k_width,
                              .out_stride = a->heads * a->cache.v_width,
                              .heads = a->heads,
                              .scale = 0.125f,
                              .spans = &a->span,
                              .span_count = 1};
    b->backend->attention(&b->exec, &args);
}

static void bench_attention(const bench *b, as_dtype type, int64_t heads, int64_t kv_heads, int64_t width,
                            int64_t n, int64_t context)
{
    char name[64];
    snprintf(name, sizeof name, "attention %s %ld/%ldx%ld n=%ld of %ld", as_dtype_name(type), (long)heads,
             (long)kv_heads, (long)width, (long)n, (long)context);
    if (!wanted(b, name)) return;
    int64_t count = (context + AS_PAGE_TOKENS - 1) / AS_PAGE_TOKENS;
    attention_bench a = {.heads = heads};
    size_t bytes = (size_t)(count * AS_PAGE_TOKENS * kv_heads * width * as_dtype_bytes(type));
    a.cache = (as_kv_layer){type, kv_heads, width, width, pages(bytes), pages(bytes)};
    int32_t *table = pages((size_t)count * sizeof *table);
    for (int64_t i = 0; i < count; i++) table[i] = (int32_t)(count - 1 - i);
    float *k = random_floats(context * kv_heads * width, 11);
    as_span all = {.count = context, .pages = table};
    as_kv_store_args store = {&a.cache, k, k, kv_heads * width, kv_heads * width, &all, 1};
    b->backend->kv_store(&b->exec, &store);
    as_free_pages(k, (size_t)(context * kv_heads * width) * sizeof *k);
    a.span = (as_span){.count = n, .position = context - n, .pages = table};
    a.q = random_floats(n * heads * width, 12);
    a.out = random_floats(n * heads * width, 13);
    timing t = time_calls(b, attention_call, &a);
    double keys = (double)n * ((double)context - (double)(n - 1) / 2);
    print_row(name, t, 4.0 * keys * (double)(heads * width), 2.0 * (double)bytes);
    as_free_pages(a.cache.k, bytes);
    as_free_pages(a.cache.v, bytes);
}

static void bench_attentions(const bench *b)
{
    static const int64_t contexts[] = {512, 4096, 32768};
    static const as_dtype types[] = {AS_F16, AS_F32, AS_E4M3};
    for (int t = 0; t < 3; t++) {
        for (int c = 0; c < 3; c++) {
            bench_attention(b, types[t], 32, 4, 64, 1, contexts[c]);
            bench_attention(b, types[t], 32, 4, 64, 512, contexts[c]);
            bench_attention(b, types[t], 32, 8, 128, 1, contexts[c]);
            bench_attention(b, types[t], 32, 8, 128, 512, contexts[c]);
            bench_attention(b, types[t], 16, 16, 128, 1, contexts[c]);
        }
    }
}

/* Operations on rows, in bytes of float32 read and written. */
typedef struct row_bench {
    float *a, *b, *c;
    int64_t n, width;
} row_bench;

static void norm_call(const bench *b, void *context, int turn)
{
    (void)turn;
    row_bench *r = context;
    as_norm_args args = {.in = r->a,
                         .out = r->c,
                         .n = r->n,
                         .groups = 1,
                         .width = r->width,
                         .in_stride = r->width,
                         .out_stride = r->width,
                         .weight = r->b,
                         .eps = 1e-5f};
    b->backend->norm(&b->exec, &args);
}

static void gate_call(const bench *b, void *context, int turn)
{
    (void)turn;
    row_bench *r = context;
    as_gate_args args = {.act = AS_ACT_SILU,
                         .a = r->a,
                         .b = r->b,
                         .out = r->c,
                         .n = r->n,
                         .width = r->width,
                         .a_stride = r->width,
                         .b_stride = r->width,
                         .out_stride = r->width};
    b->backend->gate(&b->exec, &args);
}

static void rope_call(const bench *b, void *context, int turn)
{
    (void)turn;
    row_bench *r = context;
    as_rope_args args = {AS_ROPE_HALF, r->c, r->n, r->width / 64, 64, r->width, 0, 64, r->a, r->b};
    b->backend->rope(&b->exec, &args);
}

static void quantize_call(const bench *b, void *context, int turn)
{
    (void)turn;
    row_bench *r = context;
    as_quantize_rows_args args = {AS_QUANT_TOKEN, r->a, r->c, r->n, r->width, r->width, r->width, 0, r->b};
    b->backend->quantize_rows(&b->exec, &args);
}

static void bench_rows(const bench *b)
{
    static const struct {
        const char *name;
        call_function *call;
        double floats; /* moved per element */
    } ops[] = {{"norm", norm_call, 2},
               {"gate", gate_call, 3},
               {"rope", rope_call, 2},
               {"quantize_rows", quantize_call, 2}};
    static const int64_t sizes[][2] = {{1, 2048}, {1, 5632}, {512, 2048}, {512, 5632}};
    for (int o = 0; o < 4; o++) {
        for (int i = 0; i < 4; i++) {
            char name[64];
            row_bench r = {.n = sizes[i][0], .width = sizes[i][1]};
            snprintf(name, sizeof name, "%s %ldx%ld", ops[o].name, (long)r.n, (long)r.width);
            if (!wanted(b, name)) continue;
            r.a = random_floats(r.n * r.width, 1);
            r.b = random_floats(r.n * r.width, 2);
            r.c = random_floats(r.n * r.width, 3);
            timing t = time_calls(b, ops[o].call, &r);
            print_row(name, t, 0, 4 * ops[o].floats * (double)(r.n * r.width));
        }
    }
}

static void print_probe(const as_probe *p)
{
    printf("probe: %d threads; read %.2f GB/s over %ld MB (%d streams, %ld ahead; worst pattern %.2f);\n"
           "       FMA %.1f GFLOP/s (avx2 %.1f, avx512 %.1f); bf16 dot %.1f; amx %.1f\n",
           p->threads, p->read_gbps, (long)(p->read_bytes >> 20), p->read_streams, (long)p->read_ahead,
           p->read_worst, p->fma_gflops, p->avx2_gflops, p->avx512_gflops, p->bf16_gflops, p->amx_gflops);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    bench b = {.seconds = 0.5};
    as_error err;
    const char *level = NULL;
    int threads = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--level") == 0) level = argv[i + 1];
        if (strcmp(argv[i], "--threads") == 0) threads = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--filter") == 0) b.filter = argv[i + 1];
        if (strcmp(argv[i], "--seconds") == 0) b.seconds = atof(argv[i + 1]);
    }
    if (as_backend_cpu(level, &b.backend, &err) != AS_OK) die("no backend", &err);
    if (as_pool_open(threads, &b.exec.pool, &err) != AS_OK) die("no pool", &err);
    b.exec.scratch = pages((size_t)as_pool_threads(b.exec.pool) * AS_SCRATCH_BYTES);
    b.buffer = pages(BUFFER_BYTES);
    memset(b.buffer, 1, BUFFER_BYTES);
    as_probe_read(b.exec.pool, b.buffer, BUFFER_BYTES, &b.probe);
    as_probe_peaks(b.exec.pool, &b.probe);
    printf("level %s\n", b.backend->level);
    print_probe(&b.probe);
    bench_matmuls(&b);
    bench_attentions(&b);
    bench_rows(&b);
    as_pool_close(b.exec.pool);
    return 0;
}
