/* Rotary frequencies against transformers 5.23: each case's rope_parameters went through
 * modeling_rope_utils.py's own function for a LlamaConfig, and some of its inverse frequencies stand here. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "engine/arch/arch.h"
#include "engine/rope.h"

enum { SAMPLES = 7 };

typedef struct rope_case {
    const char *name, *parameters;
    int64_t context, head_dim, length; /* length 0: it does not matter */
    double attention_factor;
    int at[SAMPLES];
    double frequencies[SAMPLES];
} rope_case;

static const rope_case cases[] = {
    {"default",
     "{\"rope_type\": \"default\", \"rope_theta\": 10000.0}",
     2048,
     64,
     0,
     1.0,
     {0, 1, 5, 8, 16, 24, 31},
     {1.0, 0.749894202, 0.237137362, 0.100000001, 0.00999999978, 0.00100000005, 0.00013335215}},
    {"default, base 1e6, head 80",
     "{\"rope_type\": \"default\", \"rope_theta\": 1000000.0}",
     2048,
     80,
     0,
     1.0,
     {0, 1, 5, 10, 20, 30, 39},
     {1.0, 0.707945764, 0.177827939, 0.0316227786, 0.00100000005, 3.16227743e-05, 1.41253713e-06}},
    {"linear",
     "{\"rope_type\": \"linear\", \"factor\": 2.5, \"rope_theta\": 10000.0}",
     2048,
     64,
     0,
     1.0,
     {0, 1, 5, 8, 16, 24, 31},
     {0.400000006, 0.299957693, 0.0948549435, 0.0399999991, 0.00399999972, 0.000400000019, 5.33408602e-05}},
    {"dynamic within",
     "{\"rope_type\": \"dynamic\", \"factor\": 2.0, \"rope_theta\": 10000.0}",
     2048,
     64,
     2048,
     1.0,
     {0, 1, 5, 8, 16, 24, 31},
     {1.0, 0.749894202, 0.237137362, 0.100000001, 0.00999999978, 0.00100000005, 0.00013335215}},
    {"dynamic beyond",
     "{\"rope_type\": \"dynamic\", \"factor\": 2.0, \"rope_theta\": 10000.0}",
     2048,
     64,
     5000,
     1.0,
     {0, 1, 5, 8, 16, 24, 31},
     {1.0, 0.717786491, 0.190535709, 0.0704631805, 0.00496505899, 0.000349853857, 3.43442152e-05}},
    {"dynamic just beyond",
     "{\"rope_type\": \"dynamic\", \"factor\": 4.0, \"rope_theta\": 10000.0}",
     2048,
     64,
     2049,
     1.0,
     {0, 1, 5, 8, 16, 24, 31},
     {1.0, 0.749846995, 0.237062767, 0.0999496654, 0.00998993404, 0.00099849049, 0.000133092195}},
    {"yarn",
     "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 4096, \""
     "rope_theta\": 10000.0}",
     16384,
     128,
     0,
     1.13862944,
     {0, 1, 5, 16, 32, 48, 63},
     {1.0, 0.865964353, 0.486967534, 0.100000001, 0.00653846189, 0.000250000012, 2.88695483e-05}},
    {"yarn betas untruncated",
     "{\"rope_type\": \"yarn\", \"factor\": 16.0, \"original_max_position_embeddings\": 2048, "
     "\"beta_fast\": 40.0, \"beta_slow\": 2.0, \"truncate\": false, \"rope_theta\": 500000.0}",
     32768,
     128,
     0,
     1.27725887,
     {0, 1, 5, 16, 32, 48, 63},
     {1.0, 0.814617217, 0.358730227, 0.0236869417, 8.83883404e-05, 3.32393483e-06, 1.53446294e-07}},
    {"yarn mscale",
     "{\"rope_type\": \"yarn\", \"factor\": 40.0, \"original_max_position_embeddings\": 4096, "
     "\"mscale\": 1.0, \"mscale_all_dim\": 0.8, \"rope_theta\": 10000.0}",
     163840,
     64,
     0,
     1.05696626,
     {0, 1, 5, 8, 16, 24, 31},
     {1.0, 0.749894202, 0.237137362, 0.100000001, 0.00550000044, 2.49999994e-05, 3.33380353e-06}},
    {"yarn attention_factor",
     "{\"rope_type\": \"yarn\", \"factor\": 8.0, \"original_max_position_embeddings\": 4096, \""
     "attention_factor\": 0.9, \"rope_theta\": 10000.0}",
     32768,
     64,
     0,
     0.9,
     {0, 1, 5, 8, 16, 24, 31},
     {1.0, 0.749894202, 0.237137362, 0.100000001, 0.00596153876, 0.000125000006, 1.66690188e-05}},
    {"llama3",
     "{\"rope_type\": \"llama3\", \"factor\": 8.0, \"original_max_position_embeddings\": 8192,"
     " \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"rope_theta\": 500000.0}",
     131072,
     128,
     0,
     1.0,
     {0, 1, 5, 16, 32, 48, 63},
     {1.0, 0.814617217, 0.358730227, 0.0376060307, 0.000524846022, 6.64786967e-06, 3.06892588e-07}},
    {"llama3 32",
     "{\"rope_type\": \"llama3\", \"factor\": 32.0, \"original_max_position_embeddings\": 8192"
     ", \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"rope_theta\": 500000.0}",
     131072,
     64,
     0,
     1.0,
     {0, 1, 5, 8, 16, 24, 31},
     {1.0, 0.663601279, 0.128687382, 0.0376060307, 0.000429556705, 1.66196742e-06, 9.41830649e-08}},
    {"longrope short",
     "{\"rope_type\": \"longrope\", \"factor\": 32.0, \"original_max_position_embeddings\": 40"
     "96, \"short_factor\": [1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.45, 1.5, 1.55,"
     " 1.6, 1.65, 1.7000000000000002, 1.75], \"long_factor\": [1.0, 2.5, 4.0, 5.5, 7.0, 8.5, 1"
     "0.0, 11.5, 13.0, 14.5, 16.0, 17.5, 19.0, 20.5, 22.0, 23.5], \"rope_theta\": 10000.0}",
     131072,
     32,
     4096,
     1.19023807,
     {0, 1, 5, 4, 8, 12, 15},
     {1.0, 0.535563171, 0.044987306, 0.0833333358, 0.00714285718, 0.000624999986, 0.000101615973}},
    {"longrope long",
     "{\"rope_type\": \"longrope\", \"factor\": 32.0, \"original_max_position_embeddings\": 40"
     "96, \"short_factor\": [1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.45, 1.5, 1.55,"
     " 1.6, 1.65, 1.7000000000000002, 1.75], \"long_factor\": [1.0, 2.5, 4.0, 5.5, 7.0, 8.5, 1"
     "0.0, 11.5, 13.0, 14.5, 16.0, 17.5, 19.0, 20.5, 22.0, 23.5], \"rope_theta\": 10000.0}",
     131072,
     32,
     4097,
     1.19023807,
     {0, 1, 5, 4, 8, 12, 15},
     {1.0, 0.224936515, 0.00661577983, 0.0142857144, 0.00076923077, 5.2631578e-05, 7.56714689e-06}},
};

static as_model_spec spec_of(const char *parameters, int64_t context, int64_t head_dim, bool older)
{
    char text[2048];
    json_t *config = NULL;
    as_model_spec spec;
    as_error err;
    /* The older form has the base outside, and "type" for "rope_type". */
    snprintf(text, sizeof text,
             "{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 64, \"num_hidden_layers\": 1, "
             "\"num_attention_heads\": 2, \"intermediate_size\": 8, \"vocab_size\": 8, \"head_dim\": %lld, "
             "\"max_position_embeddings\": %lld, \"%s\": %s}",
             (long long)head_dim, (long long)context, older ? "rope_scaling" : "rope_parameters", parameters);
    cr_assert_eq(as_json_parse(text, strlen(text), AS_JSON_LENIENT, "case", &config, &err), AS_OK, "%s",
                 err.text);
    if (older) {
        json_t *fields = json_object_get(config, "rope_scaling");
        json_object_set(config, "rope_theta", json_object_get(fields, "rope_theta"));
        json_object_set(fields, "type", json_object_get(fields, "rope_type"));
        json_object_del(fields, "rope_theta");
        json_object_del(fields, "rope_type");
    }
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
    json_decref(config);
    return spec;
}

static void check_case(const rope_case *c, bool older)
{
    float found[128];
    as_model_spec spec = spec_of(c->parameters, c->context, c->head_dim, older);
    cr_assert_eq(spec.rope_count, 1);
    const as_rope_spec *rope = &spec.ropes[0];
    cr_assert_eq(rope->rotary, c->head_dim);
    cr_assert_eq(as_rope_varies(rope), c->length != 0, "%s", c->name);
    cr_assert_float_eq(rope->attention_factor, c->attention_factor, 1e-7,
                       "%s: attention factor %.9g, expected %.9g", c->name, rope->attention_factor,
                       c->attention_factor);
    as_rope_frequencies(rope, c->length, found);
    for (int i = 0; i < SAMPLES; i++) {
        double off = fabs((double)found[c->at[i]] - c->frequencies[i]) / c->frequencies[i];
        cr_assert_leq(off, 1e-6, "%s: frequency %d is %.9g, expected %.9g", c->name, c->at[i],
                      (double)found[c->at[i]], c->frequencies[i]);
    }
    as_model_spec_free(&spec);
}

Test(rope, frequencies_of_every_scaling)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_case(&cases[i], false);
}

Test(rope, frequencies_from_the_older_form)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_case(&cases[i], true);
}

/* LlamaRotaryEmbedding's cos and sin for YaRN by 4 over 4096, head size 64. */
Test(rope, tables)
{
    static const struct {
        int64_t position;
        int pair;
        double cos, sin;
    } expected[] = {
        {0, 0, 1.13862944, 0},
        {0, 31, 1.13862944, 0},
        {1, 0, 0.615204155, 0.958123624},
        {1, 7, 1.12852037, 0.151389062},
        {1, 31, 1.13862944, 3.79596713e-05},
        {1000, 0, 0.640341341, 0.941509426},
        {1000, 7, 0.187635139, 1.12306273},
        {1000, 31, 1.13799679, 0.0379526354},
        {16383, 0, -1.0462079, 0.449361742},
        {16383, 7, -0.303092182, -1.09754825},
        {16383, 31, 0.972977579, 0.591431797},
    };
    float frequencies[32], cos[3 * 32], sin[3 * 32];
    as_model_spec spec = spec_of("{\"rope_type\": \"yarn\", \"factor\": 4.0, \"rope_theta\": 10000.0, "
                                 "\"original_max_position_embeddings\": 4096}",
                                 16384, 64, false);
    as_rope_frequencies(&spec.ropes[0], 0, frequencies);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        /* the row asked for as the last of three, and alone */
        int64_t first = expected[i].position < 2 ? 0 : expected[i].position - 2,
                row = expected[i].position - first;
        double scale = fmax(1, (double)expected[i].position / 100); /* a position times a rounded frequency */
        as_rope_table(&spec.ropes[0], frequencies, first, row + 1, cos, sin);
        cr_assert_float_eq((double)cos[row * 32 + expected[i].pair], expected[i].cos, 3e-7 * scale,
                           "case %zu", i);
        cr_assert_float_eq((double)sin[row * 32 + expected[i].pair], expected[i].sin, 3e-7 * scale,
                           "case %zu", i);
        float one_cos[32], one_sin[32];
        as_rope_table(&spec.ropes[0], frequencies, expected[i].position, 1, one_cos, one_sin);
        cr_assert_eq(memcmp(one_cos, cos + row * 32, sizeof one_cos), 0);
        cr_assert_eq(memcmp(one_sin, sin + row * 32, sizeof one_sin), 0);
    }
    as_model_spec_free(&spec);
}
