/* What families with hyper-connections share; see hyper.h. */
#include "engine/arch/hyper.h"

as_hyper_spec as_spec_hyper(as_config *config, as_model_spec *spec, double eps)
{
    as_hyper_spec hyper = {
        .streams = as_config_size_or(config, "hc_mult", 4, AS_MOST_HYPER_STREAMS),
        .at = spec->carried,
        .norm_eps = (float)eps,
        .eps = (float)as_config_eps(config, "hc_eps", 1e-6),
        .iterations = 1,
    };
    spec->carried += as_hyper_carried(hyper.streams, spec->hidden);
    spec->streams = true;
    return hyper;
}

/* A step that gives the stream another value, or none. */
static void add_step(as_config *config, as_model_spec *spec, int64_t layer, const as_block *block,
                     const as_hyper_spec *hyper, as_step_effect effect)
{
    as_spec_add_step(config, spec, layer, block, NULL, hyper)->effect = effect;
}

void as_spec_spread(as_config *config, as_model_spec *spec, const as_hyper_spec *hyper)
{
    add_step(config, spec, 0, &as_block_hyper_spread, hyper, AS_STEP_KEEPS);
}

as_step *as_spec_add_streamed(as_config *config, as_model_spec *spec, int64_t layer,
                              const as_hyper_spec *hyper, int which, const as_block *block, const void *form,
                              as_norm_spec norm)
{
    static const as_slot slots[3][3] = {{AS_SLOT_HYPER_1, AS_SLOT_HYPER_1_BASE, AS_SLOT_HYPER_1_SCALE},
                                        {AS_SLOT_HYPER_2, AS_SLOT_HYPER_2_BASE, AS_SLOT_HYPER_2_SCALE},
                                        {AS_SLOT_HYPER_OUT, AS_SLOT_HYPER_OUT_BASE, AS_SLOT_HYPER_OUT_SCALE}};
    as_hyper_spec here = *hyper, last = *hyper;
    here.project = slots[which][0];
    here.base = slots[which][1];
    here.factor = slots[which][2];
    if (layer == 0 && which == 0) as_spec_spread(config, spec, hyper);
    add_step(config, spec, layer, &as_block_hyper_enter, &here, AS_STEP_REPLACES);
    as_step *step = which ? as_spec_add_ffn(config, spec, layer, block, form, norm)
                          : as_spec_add_mixer(config, spec, layer, block, form, norm);
    step->effect = AS_STEP_REPLACES;
    add_step(config, spec, layer, &as_block_hyper_leave, &here, AS_STEP_KEEPS);
    if (!which || layer + 1 < spec->layer_count) return step;
    last.project = hyper->mean ? AS_SLOT_NONE : slots[2][0];
    last.base = slots[2][1];
    last.factor = slots[2][2];
    add_step(config, spec, layer, &as_block_hyper_gather, &last, AS_STEP_REPLACES);
    return step;
}
