/* Rotary frequencies; see rope.h. */
#include "engine/rope.h"

#include <math.h>
#include <string.h>

static void plain(const as_rope_spec *rope, double base, float *out)
{
    for (int64_t i = 0; i < rope->rotary / 2; i++) {
        out[i] = 1.0f / powf((float)base, (float)(2 * i) / (float)rope->dim);
    }
}

static void dynamic(const as_rope_spec *rope, int64_t length, float *out)
{
    if (length <= rope->max_context) {
        plain(rope, rope->theta, out);
        return;
    }
    double stretch = rope->factor * (double)length / (double)rope->max_context - (rope->factor - 1);
    double dim = (double)rope->dim;
    plain(rope, rope->theta * pow(stretch, dim / (dim - 2)), out);
}

/* modeling_qwen.py, get_ntk_alpha. */
static void dynamic_steps(const as_rope_spec *rope, int64_t length, float *out)
{
    double steps = ceil(log2((double)length / (double)rope->max_context) + 1);
    double alpha = length > rope->max_context ? exp2(steps) - 1 : 1, dim = (double)rope->dim;
    plain(rope, rope->theta * pow(alpha, dim / (dim - 2)), out);
}

/* Peng et al. 2023, "YaRN", section 3.2: a ramp between interpolated and original frequencies. */
static double correction_dim(const as_rope_spec *rope, double rotations)
{
    double dim = (double)rope->dim;
    return dim * log((double)rope->original_context / (rotations * 2 * M_PI)) / (2 * log(rope->theta));
}

static void yarn(const as_rope_spec *rope, float *out)
{
    double low = correction_dim(rope, rope->beta_fast), high = correction_dim(rope, rope->beta_slow);
    if (!rope->no_truncate) {
        low = floor(low);
        high = ceil(high);
    }
    if (low < 0) low = 0;
    if (high > (double)rope->dim - 1) high = (double)rope->dim - 1;
    if (low == high) high += 0.001;
    for (int64_t i = 0; i < rope->rotary / 2; i++) {
        float frequency = powf((float)rope->theta, (float)(2 * i) / (float)rope->dim);
        float original = 1.0f / frequency;
        float interpolated = 1.0f / ((float)rope->factor * frequency);
        float ramp = ((float)i - (float)low) / (float)(high - low);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        float keep = 1 - ramp;
        out[i] = interpolated * (1 - keep) + original * keep;
    }
}

static void llama3(const as_rope_spec *rope, float *out)
{
    plain(rope, rope->theta, out);
    float context = (float)rope->original_context;
    float low = (float)rope->low_freq_factor, high = (float)rope->high_freq_factor,
          factor = (float)rope->factor;
    for (int64_t i = 0; i < rope->rotary / 2; i++) {
        float wavelength = (float)(2 * M_PI) / out[i];
        if (wavelength > context / low) {
            out[i] = out[i] / factor;
        } else if (low < high && wavelength >= context / high) {
            float smooth = (context / wavelength - low) / (high - low);
            out[i] = (1 - smooth) * out[i] / factor + smooth * out[i];
        }
    }
}

static void longrope(const as_rope_spec *rope, int64_t length, float *out)
{
    const double *factors = length > rope->original_context ? rope->long_factor : rope->short_factor;
    for (int64_t i = 0; i < rope->rotary / 2; i++) {
        float frequency = powf((float)rope->theta, (float)(2 * i) / (float)rope->dim);
        out[i] = 1.0f / ((float)factors[i] * frequency);
    }
}

static void scaled(const as_rope_spec *rope, float *out)
{
    plain(rope, rope->theta, out);
    for (int64_t i = 0; i < rope->rotary / 2; i++) out[i] /= (float)rope->factor;
}

/* Frequency 0 leaves a pair as it is. */
static void proportional(const as_rope_spec *rope, float *out)
{
    plain(rope, rope->theta, out);
    for (int64_t i = 0; i < rope->rotary / 2; i++) {
        out[i] = i < rope->angles ? out[i] / (float)rope->factor : 0;
    }
}

void as_rope_frequencies(const as_rope_spec *rope, int64_t length, float *out)
{
    switch (rope->scaling) {
    case AS_ROPE_PLAIN: plain(rope, rope->theta, out); break;
    case AS_ROPE_LINEAR: scaled(rope, out); break;
    case AS_ROPE_DYNAMIC: dynamic(rope, length, out); break;
    case AS_ROPE_DYNAMIC_STEPS: dynamic_steps(rope, length, out); break;
    case AS_ROPE_YARN: yarn(rope, out); break;
    case AS_ROPE_LLAMA3: llama3(rope, out); break;
    case AS_ROPE_LONGROPE: longrope(rope, length, out); break;
    case AS_ROPE_PROPORTIONAL: proportional(rope, out); break;
    }
}

int64_t as_model_anew_beyond(const as_model_spec *spec)
{
    for (int i = 0; i < spec->rope_count; i++) {
        const as_rope_spec *rope = &spec->ropes[i];
        if (rope->scaling == AS_ROPE_LONGROPE && rope->anew) return rope->original_context;
    }
    return 0;
}

bool as_rope_varies(const as_rope_spec *rope)
{
    if (rope->long_attention_factor != 0) return true;
    if (rope->scaling == AS_ROPE_DYNAMIC || rope->scaling == AS_ROPE_DYNAMIC_STEPS) return true;
    if (rope->scaling != AS_ROPE_LONGROPE) return false;
    size_t size = (size_t)((rope->rotary + 1) / 2) * sizeof *rope->short_factor;
    return memcmp(rope->short_factor, rope->long_factor, size) != 0;
}

double as_rope_factor(const as_rope_spec *rope, int64_t length)
{
    bool is_long = rope->long_attention_factor != 0 && length > rope->original_context;
    return is_long ? rope->long_attention_factor : rope->attention_factor;
}

void as_rope_table(const as_rope_spec *rope, const float *frequencies, int64_t first, int64_t count,
                   float *cos, float *sin)
{
    int64_t half = rope->rotary / 2;
    float factor = (float)rope->attention_factor, turn = rope->backward ? -factor : factor;
    int64_t step = rope->every ? rope->every : 1;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = rope->first + first + i;
        for (int64_t j = 0; j < half; j++) {
            float angle = (float)(at - at % step) * frequencies[j]; /* rounded to float32, as the oracle's */
            cos[i * half + j] = cosf(angle) * factor;
            sin[i * half + j] = sinf(angle) * turn;
        }
    }
}
