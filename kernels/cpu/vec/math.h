/* Functions on vectors, each lane by itself, so that a value has the same bits wherever it stands. NaN gives
 * NaN. The errors are against the exact value, over all float32 arguments, measured by tests/kernels. */
#ifndef AS_KERNELS_CPU_VEC_MATH_H
#define AS_KERNELS_CPU_VEC_MATH_H

#include <float.h>
#include <math.h>

#include "kernels/cpu/ref/ref.h"
#include "kernels/cpu/vec/vec.h"

/* e^x within -88..89. */
AS_INLINE vf vf_exp_core(vf x)
{
    vf n = vf_round(vf_mul(x, vf_set(1.44269504f)));
    vf r = vf_fnma(n, vf_set(0.693359375f), x);
    r = vf_fnma(n, vf_set(-2.12194440e-4f), r);
    vf p = vf_set(1.9875691500e-4f);
    p = vf_fma(p, r, vf_set(1.3981999507e-3f));
    p = vf_fma(p, r, vf_set(8.3334519073e-3f));
    p = vf_fma(p, r, vf_set(4.1665795894e-2f));
    p = vf_fma(p, r, vf_set(1.6666665459e-1f));
    p = vf_fma(p, r, vf_set(5.0000001201e-1f));
    p = vf_add(vf_fma(p, vf_mul(r, r), r), vf_set(1.0f));
    return vf_scale2(p, n);
}

/* e^x; 0 where that is below the smallest normal number. At most 1 ulp. */
AS_INLINE vf vf_exp(vf x)
{
    vf y = vf_exp_core(vf_min(vf_set(89.0f), vf_max(vf_set(-88.0f), x)));
    return vf_select(vf_lt(x, vf_set(-87.336544f)), vf_zero(), y);
}

/* e^x for x <= 0; nothing smaller than e^-87. At most 1 ulp. For the many exponentials of attention, where
 * less would be lost in the sum. */
AS_INLINE vf vf_exp_down(vf x)
{
    vf clamped = vf_max(vf_set(-87.0f), x);
    return vf_exp_core(clamped);
}

/* 1 - e^x for x <= 0, without the cancellation near 0. At most 2 ulp. */
AS_INLINE vf vf_one_minus_exp(vf x)
{
    vf p = vf_set(1.9875691500e-4f);
    p = vf_fma(p, x, vf_set(1.3981999507e-3f));
    p = vf_fma(p, x, vf_set(8.3334519073e-3f));
    p = vf_fma(p, x, vf_set(4.1665795894e-2f));
    p = vf_fma(p, x, vf_set(1.6666665459e-1f));
    p = vf_fma(p, x, vf_set(5.0000001201e-1f));
    vf small = vf_sub(vf_zero(), vf_fma(p, vf_mul(x, x), x));
    vf large = vf_sub(vf_set(1.0f), vf_exp(x));
    return vf_select(vf_lt(vf_set(-0.34f), x), small, large);
}

/* tanh x. At most 2 ulp. */
AS_INLINE vf vf_tanh(vf x)
{
    vf size = vf_abs(x), z = vf_mul(x, x);
    vf p = vf_set(-5.70498872745e-3f);
    p = vf_fma(p, z, vf_set(2.06390887954e-2f));
    p = vf_fma(p, z, vf_set(-5.37397155531e-2f));
    p = vf_fma(p, z, vf_set(1.33314422036e-1f));
    p = vf_fma(p, z, vf_set(-3.33332819422e-1f));
    vf small = vf_fma(vf_mul(p, z), x, x);
    vf e = vf_exp(vf_add(size, size));
    vf large = vf_sub(vf_set(1.0f), vf_div(vf_set(2.0f), vf_add(e, vf_set(1.0f))));
    return vf_select(vf_lt(size, vf_set(0.625f)), small, vf_copysign(large, x));
}

/* 1 / (1 + e^-x). */
AS_INLINE vf vf_sigmoid(vf x)
{
    return vf_div(vf_set(1.0f), vf_add(vf_set(1.0f), vf_exp(vf_sub(vf_zero(), x))));
}

/* x / (1 + e^-y); 0 where x is -infinity. */
AS_INLINE vf vf_times_sigmoid(vf x, vf y)
{
    vf finite = vf_max(vf_set(-FLT_MAX), x);
    return vf_div(finite, vf_add(vf_set(1.0f), vf_exp(vf_sub(vf_zero(), y))));
}

/* The error function (after N. Juffa). At most 2 ulp. */
AS_INLINE vf vf_erf(vf x)
{
    vf t = vf_min(vf_set(10.0f), vf_abs(x)), s = vf_mul(t, t);
    vf r = vf_fma(vf_set(-1.72853470e-5f), t, vf_set(3.83197126e-4f));
    vf u = vf_fma(vf_set(-3.88396438e-3f), t, vf_set(2.42546219e-2f));
    r = vf_fma(r, s, u);
    r = vf_fma(r, t, vf_set(-1.06777877e-1f));
    r = vf_fma(r, t, vf_set(-6.34846687e-1f));
    r = vf_fma(r, t, vf_set(-1.28717512e-1f));
    r = vf_fma(r, t, vf_sub(vf_zero(), t));
    vf large = vf_copysign(vf_sub(vf_set(1.0f), vf_exp(r)), x);
    vf q = vf_set(-5.96761703e-4f);
    q = vf_fma(q, s, vf_set(4.99119423e-3f));
    q = vf_fma(q, s, vf_set(-2.67681349e-2f));
    q = vf_fma(q, s, vf_set(1.12819925e-1f));
    q = vf_fma(q, s, vf_set(-3.76125336e-1f));
    q = vf_fma(q, s, vf_set(1.28379166e-1f));
    vf small = vf_fma(q, x, x);
    return vf_select(vf_lt(t, vf_set(0.927734375f)), small, large);
}

/* ln(1 + u) for 0 <= u <= 1, by 2 atanh(u / (2 + u)). */
AS_INLINE vf vf_log1p_unit(vf u)
{
    vf s = vf_div(u, vf_add(vf_set(2.0f), u)), z = vf_mul(s, s);
    vf p = vf_set(2.0f / 17);
    p = vf_fma(p, z, vf_set(2.0f / 15));
    p = vf_fma(p, z, vf_set(2.0f / 13));
    p = vf_fma(p, z, vf_set(2.0f / 11));
    p = vf_fma(p, z, vf_set(2.0f / 9));
    p = vf_fma(p, z, vf_set(2.0f / 7));
    p = vf_fma(p, z, vf_set(2.0f / 5));
    p = vf_fma(p, z, vf_set(2.0f / 3));
    return vf_fma(vf_mul(p, z), s, vf_add(s, s));
}

/* ln(1 + e^x). */
AS_INLINE vf vf_softplus(vf x)
{
    vf tail = vf_log1p_unit(vf_exp(vf_sub(vf_zero(), vf_abs(x))));
    return vf_add(vf_max(vf_zero(), x), tail);
}

/* act(x); `act` is a constant where it is inlined. */
AS_INLINE vf vf_activate(as_activation act, vf x)
{
    switch (act) {
    case AS_ACT_SILU: return vf_times_sigmoid(x, x);
    case AS_ACT_GELU: {
        vf half = vf_mul(vf_set(0.5f), vf_max(vf_set(-FLT_MAX), x));
        return vf_mul(half, vf_add(vf_set(1.0f), vf_erf(vf_mul(x, vf_set(0.707106781f)))));
    }
    case AS_ACT_GELU_TANH: {
        /* 0.5 (1 + tanh(y)) is the sigmoid of 2y. */
        vf cube = vf_mul(vf_mul(x, x), vf_mul(x, vf_set(0.044715f)));
        return vf_times_sigmoid(x, vf_mul(vf_set(1.59576912f), vf_add(x, cube)));
    }
    case AS_ACT_GELU_QUICK: return vf_times_sigmoid(x, vf_mul(vf_set(1.702f), x));
    case AS_ACT_RELU: return vf_max(vf_zero(), x);
    case AS_ACT_RELU2: {
        vf positive = vf_max(vf_zero(), x);
        return vf_mul(positive, positive);
    }
    case AS_ACT_SIGMOID: return vf_sigmoid(x);
    case AS_ACT_TANH: return vf_tanh(x);
    case AS_ACT_SOFTPLUS: return vf_softplus(x);
    case AS_ACT_NONE: return x;
    default: { /* rare ones: by the reference, lane by lane */
        float lanes[LANES];
        vf_store(lanes, x);
        for (int i = 0; i < LANES; i++) lanes[i] = (float)as_ref_activate(act, lanes[i]);
        return vf_load(lanes);
    }
    }
}

#endif
