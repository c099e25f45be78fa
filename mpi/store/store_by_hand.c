/* One function for some rows: what callers that do not yet name rows call. */
#include "store_file.h"

#define PUT(row, place, data) FACET_TRY(facet_store_put(s, FACET_ROW_##row, place, data))
#define GET(row, place, data) FACET_TRY(facet_store_get(s, FACET_ROW_##row, place, data))

facet_status facet_store_images(facet_store *s, int64_t first, int64_t count, const float *pixels)
{
  PUT(IMAGE, ((facet_place){.part = {{first, count}}, .as = FACET_AS_FLOAT}), pixels);
  return FACET_OK;
}

facet_status facet_store_predictions(facet_store *s, int variant, int condition, int64_t first, int64_t count,
                                     const double *logits, const int32_t *predicted, const double *loss)
{
  const facet_place at = {.part = {{variant, 1}, {condition, 1}, {first, count}}};
  PUT(LOGITS, at, logits);
  PUT(PREDICTED, at, predicted);
  PUT(LOSS, at, loss);
  return FACET_OK;
}

facet_status facet_store_geometry(facet_store *s, int variant, int condition, int64_t first, int64_t count,
                                  const double *angle, const double *length, const double *margin, const double *cosine)
{
  const facet_place at = {.part = {{variant, 1}, {condition, 1}, {first, count}}};
  PUT(ANGLE, at, angle);
  PUT(LENGTH, at, length);
  PUT(MARGIN, at, margin);
  PUT(COSINE, at, cosine);
  return FACET_OK;
}

facet_status facet_store_w(facet_store *s, int variant, int64_t first, int64_t count, int64_t from, int64_t rows,
                           const void *w)
{
  PUT(W, ((facet_place){.variant = variant, .part = {{first, count}, {from, rows}}, .as = FACET_AS_STORED}), w);
  return FACET_OK;
}

facet_status facet_store_linear(facet_store *s, int variant, int64_t first, int64_t count, const int32_t *row,
                                const facet_linearization *linear)
{
  const facet_place at = {.variant = variant, .part = {{first, count}}};
  PUT(ROW, at, row);
  PUT(B, at, linear->b);
  PUT(B_NODE, at, linear->b_node);
  PUT(RESIDUAL, at, linear->residual);
  PUT(TIES, at, linear->ties);
  return FACET_OK;
}

facet_status facet_store_read_w(facet_store *s, int variant, const int64_t *start, const int64_t *count, double *w)
{
  facet_place at = {.variant = variant};
  for (int i = 0; i < 2 + s->shape.plan->variant[variant].input.axes; i++) {
    at.part[i].start = start[i];
    at.part[i].count = count[i];
  }
  GET(W, at, w);
  return FACET_OK;
}

facet_status facet_store_change_samples(facet_store *s, const int64_t *sample)
{
  PUT(CHANGE_SAMPLE, (facet_place){0}, sample);
  return FACET_OK;
}

facet_status facet_store_changes(facet_store *s, int variant, int condition, int64_t first, int64_t count,
                                 const facet_store_change *change)
{
  facet_place at = {.variant = variant, .part = {{first, count}}};
  if (condition >= 0) {
    at.condition = s->shape.plan->change_condition[condition];
    PUT(MOVE_PIXEL, at, change->pixel);
    PUT(MOVE_MOVED, at, change->moved);
    PUT(MOVE_NODE, at, change->node);
    PUT(MOVE_GATES, at, change->gates);
    PUT(MOVE_TOTAL, at, change->total);
    PUT(MOVE_RESIDUAL, at, change->residual);
    PUT(MOVE_RIVAL_BEFORE, at, change->rival_before);
    PUT(MOVE_RIVAL, at, change->rival);
    return FACET_OK;
  }
  PUT(CHANGE_PIXEL, at, change->pixel);
  PUT(CHANGE_NODE, at, change->node);
  PUT(CHANGE_GATES, at, change->gates);
  PUT(CHANGE_TOTAL, at, change->total);
  PUT(CHANGE_RESIDUAL, at, change->residual);
  PUT(CHANGE_RIVAL_BEFORE, at, change->rival_before);
  PUT(CHANGE_RIVAL, at, change->rival);
  return FACET_OK;
}

facet_status facet_store_embed_epoch(facet_store *s, int epoch, const double log[4])
{
  const facet_place at = {.part = {{epoch, 1}}};
  PUT(EMBED_LOSS, at, &log[0]);
  PUT(EMBED_GRADIENT, at, &log[1]);
  PUT(EMBED_RATE, at, &log[2]);
  PUT(EMBED_ALPHA, at, &log[3]);
  return FACET_OK;
}

facet_status facet_store_embed_train(facet_store *s, int64_t first, int64_t count, const int64_t *sample,
                                     const int32_t *label, const double *position)
{
  const facet_place at = {.part = {{first, count}}};
  PUT(EMBED_TRAIN_SAMPLE, at, sample);
  PUT(EMBED_TRAIN_LABEL, at, label);
  PUT(EMBED_TRAIN_POSITION, at, position);
  return FACET_OK;
}

facet_status facet_store_embed_positions(facet_store *s, int variant, int condition, int64_t first, int64_t count,
                                         const double *position)
{
  const facet_place at = {.part = {{variant, 1}, {condition, 1}, {first, count}}};
  return facet_store_put(s, FACET_ROW_EMBED_POSITION, at, position);
}

facet_status facet_store_embed_linear(facet_store *s, int variant, int64_t first, int64_t count,
                                      const facet_linearization *linear)
{
  const facet_place at = {.variant = variant, .part = {{first, count}}};
  PUT(EMBED_W, at, linear->w);
  PUT(EMBED_B, at, linear->b);
  PUT(EMBED_B_NODE, at, linear->b_node);
  PUT(EMBED_RESIDUAL, at, linear->residual);
  PUT(EMBED_TIES, at, linear->ties);
  return FACET_OK;
}
