/* Opening a model: configuration, weights, facts. */
#include "engine/model.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/arch/arch.h"
#include "engine/arch/text_parts.h"
#include "engine/bind/methods.h"
#include "engine/digest.h"
#include "engine/text/tokenizer.h"

/* ---- weights ---------------------------------------------------------------------------------------------
 */

static as_code bind_step(as_model *m, as_binder *binder, const as_step *step, as_step_weights *weights,
                         as_error *err)
{
    weights->block = as_arena_calloc(&m->memory.arena, 1, step->block->weights_size);
    if (!weights->block) return as_fail_memory(err, "the weights");
    const as_self_gate_spec *gate = &step->in_gate;
    int64_t hidden = m->spec.hidden;
    AS_TRY(as_bind_norm(binder, &step->in_norm, hidden, &weights->in_norm, err));
    if (gate->rank) {
        AS_TRY(as_bind_linear(binder, gate->down, gate->rank, hidden, false, &weights->gate_down, err));
        AS_TRY(as_bind_linear(binder, gate->up, hidden, gate->rank, false, &weights->gate_up, err));
    }
    AS_TRY(step->block->bind(binder, &m->spec, step, weights->block, err));
    AS_TRY(as_bind_norm(binder, &step->stream_norm, m->spec.hidden, &weights->stream_norm, err));
    if (step->out_taps)
        AS_TRY(as_bind_added_conv(binder, AS_SLOT_OUTPUT_CONV, hidden, step->out_taps,
                                  step->out_conv_scale != 0 ? step->out_conv_scale : 1, &weights->out_conv,
                                  err));
    AS_TRY(as_bind_affine(binder, &step->out_affine, hidden, &weights->out_affine, err));
    AS_TRY(as_bind_affine(binder, &step->residual_affine, hidden, &weights->residual_affine, err));
    weights->scale = 1;
    if (step->scaled) AS_TRY(as_bind_number(binder, AS_SLOT_LAYER_SCALE, ".weight", &weights->scale, err));
    return as_bind_norm(binder, &step->out_norm, m->spec.hidden, &weights->out_norm, err);
}

static as_code bind_head(as_model *m, as_binder *binder, as_error *err)
{
    const as_head_layer_spec *layer = &m->spec.head_layer;
    int64_t width = m->spec.embed_width ? m->spec.embed_width : m->spec.hidden;
    if (layer->width) {
        width = layer->width;
        AS_TRY(as_bind_linear(binder, AS_SLOT_BEFORE_HEAD, width, m->spec.hidden, true, &m->head_layer, err));
        AS_TRY(as_bind_norm(binder, &layer->norm, width, &m->head_norm, err));
    }
    if (m->spec.tied_head && !as_binder_differs(binder, AS_SLOT_HEAD, AS_SLOT_EMBED)) {
        AS_TRY(as_bind_copy(binder, AS_SLOT_HEAD, m->spec.vocab, width, err));
        m->blank_logit = m->spec.has_blank && !as_binder_has(binder, AS_SLOT_HEAD, ".weight");
        m->head.w = m->embed;
    } else {
        int64_t rows = m->spec.head_rows ? m->spec.head_rows : m->spec.vocab;
        AS_TRY(as_bind_matrix(binder, AS_SLOT_HEAD, rows, width, &m->head.w, err));
    }
    m->head.w.rows = m->spec.vocab;
    if (m->spec.unit_head) AS_TRY(as_bind_unit_rows(binder, &m->head.w, err));
    if (!m->spec.head_bias) return AS_OK;
    return as_bind_vector(binder, AS_SLOT_HEAD, ".bias", m->spec.vocab, &m->head.bias, err);
}

static as_code bind_embedding(as_model *m, as_binder *binder, as_error *err)
{
    const as_model_spec *spec = &m->spec;
    int64_t width = spec->embed_width ? spec->embed_width : spec->hidden;
    /* A tied checkpoint may hold its one matrix under either name. */
    bool under_head = spec->tied_head && !as_binder_has(binder, AS_SLOT_EMBED, ".weight") &&
                      as_binder_has(binder, AS_SLOT_HEAD, ".weight");
    as_slot embed = under_head ? AS_SLOT_HEAD : AS_SLOT_EMBED;
    int64_t rows = spec->embed_rows && !under_head ? spec->embed_rows : spec->vocab;
    bool in_two = as_binder_names(binder, AS_SLOT_EMBED_MORE);
    int64_t first = in_two ? as_binder_elements(binder, embed, ".weight") : 0;
    if (in_two &&
        (as_binder_elements(binder, AS_SLOT_EMBED_MORE, ".weight") || (first && first < rows * width))) {
        AS_TRY(as_bind_joined(binder, embed, AS_SLOT_EMBED_MORE, rows, width, &m->embed, err));
    } else {
        AS_TRY(as_bind_matrix(binder, embed, rows, width, &m->embed, err));
    }
    bool narrow = spec->embed_width && spec->embed_narrow;
    if (spec->embed_width) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_EMBED_IN, spec->hidden, width, narrow, &m->embed_in, err));
        if (!narrow)
            AS_TRY(as_bind_linear(binder, AS_SLOT_EMBED_OUT, width, spec->hidden, false, &m->embed_out, err));
    }
    if (!narrow) width = spec->hidden;
    AS_TRY(as_bind_affine(binder, &spec->embed_affine, width, &m->embed_affine, err));
    const as_position_spec *positions = &spec->positions;
    bool stored =
        positions->rows && (!positions->fill || as_binder_has(binder, AS_SLOT_POSITIONS, ".weight"));
    if (positions->present && stored) {
        AS_TRY(as_bind_matrix(binder, AS_SLOT_POSITIONS, positions->rows, width, &m->positions, err));
    }
    for (int r = 0; r < spec->rope_count && !m->rope_stretch; r++) {
        if (!spec->ropes[r].stretched) continue;
        AS_TRY(as_bind_vector(binder, AS_SLOT_ROPE_STRETCH, "", spec->ropes[r].rotary / 2, &m->rope_stretch,
                              err));
    }
    for (int r = 0; r < spec->rope_count; r++) {
        int64_t count = spec->context * spec->ropes[r].rotary;
        if (!spec->ropes[r].stored || !as_binder_elements(binder, AS_SLOT_ROPE_TABLE, ".weight")) continue;
        AS_TRY(as_bind_vector(binder, AS_SLOT_ROPE_TABLE, ".weight", count, &m->rope_table, err));
    }
    return as_bind_norm(binder, &spec->embed_norm, width, &m->embed_norm, err);
}

static int64_t table_elements(const as_model *m)
{
    int64_t head = m->head.w.data == m->embed.data ? 0 : m->head.w.rows * m->head.w.cols;
    return m->embed.rows * m->embed.cols + head;
}

as_code as_model_bind(as_model *m, as_binder *binder, as_error *err)
{
    const as_model_spec *spec = &m->spec;
    AS_TRY(bind_embedding(m, binder, err));
    m->layers = AS_ARENA_NEW_ARRAY(&m->memory.arena, as_layer_weights, spec->layer_count);
    if (!m->layers) return as_fail_memory(err, "the weights");
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) {
            as_binder_at(binder, i, spec->layers[i].steps[s].part);
            as_binder_stem(binder, spec->layers[i].steps[s].stem);
            AS_TRY(bind_step(m, binder, &spec->layers[i].steps[s], &m->layers[i].steps[s], err));
        }
        AS_TRY(as_binder_go_on(binder, err));
    }
    as_binder_at(binder, -1, 0);
    as_binder_stem(binder, NULL);
    AS_TRY(as_bind_norm(binder, &spec->final_norm, spec->hidden, &m->final_norm, err));
    return bind_head(m, binder, err);
}

/* Parameters that one token touches: all but the experts it is not sent to. */
static int64_t active_parameters(const as_model_spec *spec, const as_binder_totals *totals)
{
    int64_t all = 0, used = 0;
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) {
            const as_step *step = &spec->layers[i].steps[s];
            as_block_cost cost = step->block->cost(spec, step);
            all += cost.experts;
            used += cost.used;
        }
    }
    if (all == 0) return totals->parameters;
    return totals->parameters - totals->expert_parameters + totals->expert_parameters / all * used;
}

static as_code load_weights(as_model *m, const as_model_options *options, as_error *err)
{
    as_binder_source source = {.repository = options->sizes_only ? NULL : m->repository,
                               .counted = options->sizes_only,
                               .seed = options->seed,
                               .dtype = AS_F16};
    const char *stored = json_string_value(json_object_get(m->config, "torch_dtype"));
    if (!stored) stored = json_string_value(json_object_get(m->config, "dtype"));
    as_dtype named;
    if (stored && as_dtype_parse(stored, &named) && (named == AS_F32 || named == AS_BF16))
        source.dtype = named;
    const json_t *quantization = json_object_get(m->config, "quantization_config");
    const json_t *text = as_config_text_part(m->config);
    if (!quantization) quantization = json_object_get(text, "quantization_config");
    source.scaled = quantization && !json_is_null(quantization);
    if (source.repository) AS_TRY(as_check_quantization(quantization, err));
    as_ternary_from_config(quantization, &source.ternary);
    const json_t *block = json_object_get(quantization, "weight_block_size");
    source.block_rows = json_integer_value(json_array_get(block, 0));
    source.block_cols = json_integer_value(json_array_get(block, 1));
    as_pool *pool = NULL;
    as_binder *binder = NULL;
    as_code rc = as_pool_open(options->threads, &pool, err);
    if (rc == AS_OK) rc = as_binder_open(&source, &m->spec, &m->precision, pool, &m->memory, &binder, err);
    if (rc == AS_OK && options->stop) as_pool_stop_at(pool, options->stop);
    if (rc == AS_OK) rc = as_model_bind(m, binder, err);
    if (rc == AS_OK) rc = as_binder_check_surplus(binder, err);
    if (rc == AS_OK) {
        as_binder_totals totals = as_binder_result(binder);
        m->info.parameters = totals.parameters;
        m->info.active_parameters = active_parameters(&m->spec, &totals);
        m->info.table_elements = table_elements(m);
        m->info.weight_bytes = totals.weight_bytes;
        m->info.checkpoint_bytes = totals.checkpoint_bytes;
        m->info.dtype = as_dtype_torch_name(source.repository ? m->embed.dtype : source.dtype);
    }
    /* Whatever else was wrong then: the weights that it was wrong with were not whole. */
    if (as_pool_stopped(pool)) rc = as_fail(err, AS_E_CANCELLED, "interrupted while loading");
    as_binder_close(binder);
    as_pool_close(pool);
    return rc;
}

/* ---- facts -----------------------------------------------------------------------------------------------
 */

static as_code eos_list(as_model *m, as_error *err)
{
    const json_t *value = NULL;
    if (m->repository) value = json_object_get(m->repository->generation_config.value, "eos_token_id");
    if (!value || json_is_null(value)) value = json_object_get(m->config, "eos_token_id");
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    int32_t *ids = AS_ARENA_NEW_ARRAY(&m->memory.arena, int32_t, count + 1);
    if (!ids) return as_fail_memory(err, "the model's facts");
    int64_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        json_int_t id = json_is_integer(item) ? json_integer_value(item) : -1;
        if (id >= 0 && id < m->spec.vocab) ids[used++] = (int32_t)id;
    }
    m->info.eos = ids;
    m->info.eos_count = used;
    return AS_OK;
}

static as_code fill_info(as_model *m, const char *name, const as_model_options *options, as_error *err)
{
    as_model_info *info = &m->info;
    const as_model_spec *spec = &m->spec;
    info->id = as_arena_strdup(&m->memory.arena, name);
    info->path = m->repository ? m->repository->path : "";
    info->architecture = spec->architecture;
    info->model_type = spec->model_type;
    info->precision = m->precision.name;
    info->layers = spec->layer_count;
    info->hidden = spec->hidden;
    info->heads = spec->heads;
    info->kv_heads = spec->kv_heads;
    info->head_dim = spec->head_dim;
    info->intermediate = spec->intermediate;
    info->vocab = spec->vocab;
    info->context = spec->context;
    info->backend = m->backend->name;
    info->level = m->backend->level;
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) {
            as_block_needs needs = as_step_needs(spec, &spec->layers[i].steps[s]);
            info->kv_bytes_per_token += 2 * as_block_cache_width(&needs);
            for (int p = 0; p < AS_MAX_STATES; p++)
                info->state_bytes += needs.state[p] * (int64_t)sizeof(float);
        }
    }
    if (!info->id) return as_fail_memory(err, "the model's facts");
    if (!options->sizes_only)
        AS_TRY(as_model_digest(m->config, m->repository, options->seed, m->digest, err));
    info->digest = m->digest;
    return eos_list(m, err);
}

/* ---- open ------------------------------------------------------------------------------------------------
 */

/* A directory without safetensors that holds a GGUF file is that file. */
static as_code open_repository(const char *name, as_repository **out, as_error *err)
{
    as_repository *repo;
    char path[AS_PATH_MAX];
    AS_TRY(as_repository_open(name, &repo, err));
    if (repo->weight_count) {
        *out = repo;
        return AS_OK;
    }
    as_code rc = as_repository_find_gguf(repo, path, err); /* also tells of a folder without either */
    as_repository_close(repo);
    return rc == AS_OK ? as_repository_open(path, out, err) : rc;
}

static as_code read_config(as_model *m, const char *name, const as_model_options *options, as_error *err)
{
    if (options->synth) {
        m->config = json_deep_copy(options->synth);
        return m->config ? AS_OK : as_fail_memory(err, "the configuration");
    }
    AS_TRY(open_repository(name, &m->repository, err));
    as_repository *repo = m->repository;
    if (repo->config.has_problem || !repo->config.value) {
        /* What a GGUF file lacks, it lacks because it could not be read. */
        bool unread = as_repository_is_gguf(repo) && repo->weight_count && repo->weights[0].has_problem;
        if (!repo->config.has_problem && !unread)
            return as_fail(err, AS_E_NOT_FOUND, "config.json is missing");
        *err = repo->config.has_problem ? repo->config.problem : repo->weights[0].problem;
        return err->code;
    }
    m->config = json_incref(repo->config.value);
    if (options->sizes_only) return AS_OK;
    if (repo->index.has_problem) {
        *err = repo->index.problem;
        return err->code;
    }
    int64_t tensors = 0;
    for (int64_t i = 0; i < repo->weight_count; i++) {
        tensors += repo->weights[i].tensor_count;
        if (!repo->weights[i].loaded || !repo->weights[i].has_problem) continue;
        *err = repo->weights[i].problem;
        return err->code;
    }
    return tensors ? AS_OK : as_fail(err, AS_E_INPUT, "there are no tensors, only what describes them");
}

static as_code open_tokenizer(as_model *m, const as_model_options *options, as_error *err)
{
    if (!m->repository || options->without_tokenizer || options->sizes_only) return AS_OK;
    as_code rc = as_tokenizer_open(m->repository->path, &m->tokenizer, err);
    return rc == AS_E_NOT_FOUND ? AS_OK : rc;
}

static as_code open_into(as_model *m, const char *name, const as_model_options *options, as_error *err)
{
    if (options->device && strcmp(options->device, "cpu") != 0) {
        return as_fail(err, AS_E_UNSUPPORTED, "--device %s: this build computes on the cpu only",
                       options->device);
    }
    AS_TRY(as_precision_parse(options->dtype, &m->precision, err));
    AS_TRY(as_backend_cpu(options->level, &m->backend, err));
    AS_TRY(read_config(m, name, options, err));
    AS_TRY(as_spec_from_config(m->config, &m->spec, err));
    AS_TRY(load_weights(m, options, err));
    AS_TRY(open_tokenizer(m, options, err));
    return fill_info(m, name, options, err);
}

as_code as_model_open(const char *name, const as_model_options *options, as_model **out, as_error *err)
{
    static const as_model_options defaults = {0};
    as_error local;
    if (!err) err = &local;
    as_model *m = AS_NEW(as_model);
    if (!m) return as_fail_memory(err, "the model");
    as_arena_init(&m->memory.arena, 0);
    as_code rc = open_into(m, name, options ? options : &defaults, err);
    if (rc != AS_OK) {
        as_model_close(m);
        return rc == AS_E_USAGE ? rc : as_wrap(err, "%s", name);
    }
    *out = m;
    return AS_OK;
}

void as_model_close(as_model *m)
{
    if (!m) return;
    as_tokenizer_close(m->tokenizer);
    as_model_spec_free(&m->spec);
    as_repository_close(m->repository);
    as_model_memory_free(&m->memory);
    json_decref(m->config);
    as_free(m);
}

const as_model_info *as_model_facts(const as_model *m)
{
    return &m->info;
}

const json_t *as_model_config(const as_model *m)
{
    return m->config;
}

const struct as_tokenizer *as_model_tokenizer(const as_model *m)
{
    return m->tokenizer;
}
