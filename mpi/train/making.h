/* What the networks of a study are made from: the keys that speak of them, and the data. */
#ifndef FACET_MAKING_H
#define FACET_MAKING_H

#include "study/data.h"

typedef struct {
  const facet_settings *settings;
  const facet_data_keys *keys;
  const facet_model_keys *model;
  const facet_recipes *recipes;
  const facet_study_data *data;
  bool edited; /* as rank 0 knows it: the output is of another version of the study, so names say nothing */
} facet_making;

/* NULL: dense. */
static inline const facet_recipe *facet_making_recipe(const facet_making *making, const facet_variant *variant)
{
  return variant->recipe >= 0 ? &making->recipes->item[variant->recipe] : NULL;
}

/* The training that a variant takes for itself, or NULL. */
static inline const facet_training *facet_making_training(const facet_making *making, const facet_variant *variant)
{
  const facet_recipe *recipe = facet_making_recipe(making, variant);
  if (!recipe)
    return making->model->train ? &making->model->training : NULL;
  return recipe->retrain ? &recipe->training : NULL;
}

/* The file elsewhere that a network is read from, or NULL: it is made here. */
static inline const char *facet_making_external(const facet_making *making, const facet_variant *variant)
{
  const facet_recipe *recipe = facet_making_recipe(making, variant);
  if (recipe)
    return recipe->onnx;
  return making->model->train ? NULL : making->model->onnx;
}

#endif
