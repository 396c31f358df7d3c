/* Rotary frequencies; see rope.h. */
#include "engine/rope.h"

#include <math.h>

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
        } else if (wavelength >= context / high) {
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

void as_rope_frequencies(const as_rope_spec *rope, int64_t length, float *out)
{
    switch (rope->scaling) {
    case AS_ROPE_PLAIN: plain(rope, rope->theta, out); break;
    case AS_ROPE_LINEAR: scaled(rope, out); break;
    case AS_ROPE_DYNAMIC: dynamic(rope, length, out); break;
    case AS_ROPE_YARN: yarn(rope, out); break;
    case AS_ROPE_LLAMA3: llama3(rope, out); break;
    case AS_ROPE_LONGROPE: longrope(rope, length, out); break;
    }
}

bool as_rope_varies(const as_rope_spec *rope)
{
    return rope->scaling == AS_ROPE_DYNAMIC || rope->scaling == AS_ROPE_LONGROPE;
}

void as_rope_table(const as_rope_spec *rope, const float *frequencies, int64_t first, int64_t count,
                   float *cos, float *sin)
{
    int64_t half = rope->rotary / 2;
    float factor = (float)rope->attention_factor;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j < half; j++) {
            float angle = (float)(first + i) * frequencies[j]; /* rounded to float32, as the oracle's */
            cos[i * half + j] = cosf(angle) * factor;
            sin[i * half + j] = sinf(angle) * factor;
        }
    }
}
