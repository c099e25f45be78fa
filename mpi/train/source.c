/* Networks as they come in: see source.h. */
#include "source.h"

#include <stdio.h>

/* The study's word on the order of the numbers that a network takes, and where it stands. */
typedef struct {
  facet_order order;
  int line;
  const char *key;
} asked_layout;

static asked_layout asked_of(const facet_making *m, const facet_recipe *recipe)
{
  if (recipe && recipe->onnx && recipe->layout != m->keys->layout)
    return (asked_layout){recipe->layout, recipe->line, "variants.layout"};
  return (asked_layout){m->keys->layout, m->keys->layout_line, "data.layout"};
}

static facet_status find_layout(const facet_making *m, const facet_recipe *recipe, const char *path,
                                const facet_network *network, facet_input_layout *layout)
{
  facet_shape input = facet_network_input_shape(network);
  const facet_image image = m->data->test->image;
  asked_layout asked = asked_of(m, recipe);
  facet_fit fit = facet_input_layout_find(image, input.rank, input.dim, asked.order, layout);
  FACET_CHECK(fit != FACET_FIT_NONE, FACET_BAD_INPUT, "%s: images are %lld x %lld x %lld but the network %s takes %s",
              m->keys->test.images.item[0], (long long)image.channels, (long long)image.height, (long long)image.width,
              path, facet_shape_text(input));
  FACET_CHECK(fit != FACET_FIT_OTHER, FACET_BAD_INPUT,
              "%s:%d: %s: %s, but images are %lld x %lld x %lld and the network %s takes %s: that is %s",
              m->settings->file, asked.line, asked.key, facet_order_name(asked.order), (long long)image.channels,
              (long long)image.height, (long long)image.width, path, facet_shape_text(input),
              facet_order_name(layout->order));
  return FACET_OK;
}

/* What is compared are classes: K scores for a sample, of which the largest counts. */
static facet_status is_classifier(const char *path, const facet_network *network)
{
  char why[400];
  if (facet_network_classifies(network) == FACET_OK)
    return FACET_OK;
  (void)snprintf(why, sizeof why, "%s", facet_message());
  return facet_raise(FACET_BAD_INPUT, "%s: %s", path, why);
}

facet_status facet_source_fits(const facet_making *m, const facet_recipe *recipe, const char *path,
                               const facet_network *network, facet_input_layout *layout)
{
  int64_t outputs = facet_network_outputs(network);
  int classes = m->keys->classes.count;
  FACET_TRY(is_classifier(path, network));
  FACET_TRY(find_layout(m, recipe, path, network, layout));
  FACET_CHECK(classes == 0 || classes == outputs, FACET_BAD_INPUT,
              "%s: data.classes names %d classes but the network %s has %lld outputs", m->settings->file, classes, path,
              (long long)outputs);
  return facet_dataset_check_labels(m->data->test, facet_label_file(&m->keys->test), outputs);
}

/* The number of classes: named, or by the largest label of the training data. */
static facet_status count_classes(const facet_making *m, int64_t *classes)
{
  *classes = m->keys->classes.count;
  return *classes > 0 ? FACET_OK : facet_dataset_classes(m->data->train, classes);
}

static facet_status first_weights(const facet_making *m, facet_network **network)
{
  const facet_image image = m->data->test->image;
  const facet_model_keys *model = m->model;
  int64_t classes;
  FACET_TRY(count_classes(m, &classes));
  FACET_CHECK(classes > 0, FACET_BAD_INPUT, "%s: the training data has no labels", m->keys->train.images.item[0]);
  FACET_CHECK(classes > 1, FACET_BAD_INPUT, "%s: the training data is all of one class: there is nothing to learn",
              facet_label_file(&m->keys->train));
  FACET_CHECK(
      m->keys->classes.count > 0 || classes <= m->data->train->count, FACET_BAD_INPUT,
      "%s: label %lld makes more classes than there are samples, %lld: is it one? Otherwise name them in data.classes",
      facet_label_file(&m->keys->train), (long long)classes - 1, (long long)m->data->train->count);
  FACET_TRY(facet_dataset_check_labels(m->data->train, facet_label_file(&m->keys->train), classes));
  facet_shape input = {3, {image.channels, image.height, image.width}};
  if (model->resnet)
    return facet_network_resnet(input, model->resnet, classes, m->settings->seed, network);
  return facet_network_plain(&(facet_plain){input, model->conv.count, model->conv.item, model->dense.count,
                                            model->dense.item, classes, m->settings->seed},
                             network);
}

facet_status facet_source_first(const facet_making *m, facet_network **network, facet_input_layout *layout)
{
  const char *onnx = m->model->onnx;
  FACET_TRY(onnx ? facet_onnx_read_gates(onnx, m->model->gates, network) : first_weights(m, network));
  return facet_source_fits(m, NULL, onnx ? onnx : "to be trained", *network, layout);
}

facet_status facet_source_external(const facet_making *m, const facet_recipe *recipe, const facet_network *dense,
                                   facet_network **network)
{
  facet_input_layout layout;
  FACET_TRY(facet_onnx_read_gates(recipe->onnx, m->model->gates, network));
  FACET_TRY(facet_source_fits(m, recipe, recipe->onnx, *network, &layout));
  int64_t outputs = facet_network_outputs(*network), wanted = dense ? facet_network_outputs(dense) : outputs;
  FACET_CHECK(outputs == wanted, FACET_BAD_INPUT, "%s: has %lld outputs but dense has %lld", recipe->onnx,
              (long long)outputs, (long long)wanted);
  return FACET_OK;
}

facet_status facet_source_mask(const facet_making *m, const facet_variant *variant, const facet_network *like,
                               facet_mask **mask)
{
  const facet_recipe *recipe = facet_making_recipe(m, variant);
  facet_status status = facet_mask_read(like, recipe->mask, mask);
  return status == FACET_OK
             ? FACET_OK
             : facet_raise_in(status, "%s:%d: variants[%d].mask: ", m->settings->file, recipe->line, variant->recipe);
}
