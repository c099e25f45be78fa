/* A convolution and the nodes after it that a block in training does with it: see kernels/block.h. */
#include "executor.h"
#include "kernels/block.h"

enum { MEMBERS = 3 }; /* nodes after the convolution at most: norm, gate, maximum */

/* Whether the windows of a maximum are those of 2 x 2 positions, side by side, in order. */
static bool is_pool(const facet_lowered *l, const facet_conv_shape *s)
{
  int64_t width = s->out[1], positions = s->out[0] * width / 4;
  if (l->kind != KIND_WINDOW || !l->maximum || l->flat || l->sign < 0 || l->shift || s->out[0] % 2 || width % 2)
    return false;
  if (l->full.rank != 4 || l->full.dim[2] != s->out[0] / 2 || l->full.dim[3] != width / 2)
    return false;
  for (int64_t i = 0; i < positions; i++) {
    int64_t first = i / (width / 2) * 2 * width + i % (width / 2) * 2;
    const int64_t four[] = {first, first + 1, first + width, first + width + 1};
    if (l->begin[i + 1] - l->begin[i] != 4)
      return false;
    for (int t = 0; t < 4; t++)
      if (l->position[l->begin[i] + t] != four[t])
        return false;
  }
  return true;
}

/* The one node that reads what a node makes, and nobody else, inside the network or out; or NULL. */
static const facet_node *only_reader(const facet_executor *x, const int *reader, const facet_node *node)
{
  int v = node->lowered->output, feature = NO_VALUE;
  bool outside = v == x->network->output || (facet_network_features(x->network, &feature) > 0 && v == feature);
  return outside || x->network->value[v].consumers != 1 || reader[v] < 0 ? NULL : &x->network->node[reader[v]];
}

/* The nodes after a convolution that a block does with it: how many, none if it does not begin one. */
static int find(const facet_executor *x, const facet_node *node, const int *reader, const facet_node **member)
{
  const facet_lowered *l = node->lowered;
  if (l->kind != KIND_LINEAR || l->conv.spatial != 2 || l->bias != NO_VALUE || l->shift || l->adjoint || l->viewed ||
      l->transposed || l->images != 1 || l->weight_factor != 1)
    return 0;
  if (!(member[0] = only_reader(x, reader, node)) || !member[0]->lowered->batch_norm ||
      !(member[1] = only_reader(x, reader, member[0])) || !facet_gate_is_relu(member[1]->lowered))
    return 0;
  member[2] = only_reader(x, reader, member[1]);
  return member[2] && is_pool(member[2]->lowered, &l->conv) ? 3 : 2;
}

static facet_block_shape shape_of(const facet_executor *x, const facet_step *step)
{
  const facet_conv_shape *s = &step->lowered->conv;
  facet_layout out = x->layout[step->output];
  out.spatial = s->out[0] * s->out[1];
  return (facet_block_shape){.shape = *s,
                             .in = x->layout[step->input[0]],
                             .out = out,
                             .pooled = step->folds == MEMBERS,
                             .pulled = step->input[0] != x->network->input};
}

facet_status facet_block_join(const facet_executor *x, const int *reader, facet_step *step, bool *joined)
{
  const facet_node *member[MEMBERS];
  int count = find(x, step->node, reader, member);
  facet_step whole = *step;
  whole.folds = count;
  whole.output = count > 0 ? member[count - 1]->lowered->output : whole.output;
  facet_block_shape shape = shape_of(x, &whole);
  if (count == 0 || !facet_block_fits(&shape))
    return FACET_OK;
  FACET_NEW(whole.fold, count);
  for (int i = 0; i < count; i++) {
    whole.fold[i] = member[i];
    joined[member[i] - x->network->node] = true;
  }
  whole.is_block = true;
  *step = whole;
  return FACET_OK;
}

static facet_status block_create(facet_executor *x, facet_step *step)
{
  facet_block_shape shape = shape_of(x, step);
  size_t channels = (size_t)shape.out.channels;
  FACET_TRY(facet_block_create(&shape, x->options.batch, &step->block));
  x->own_bytes += facet_block_bytes(step->block);
  FACET_TRY(facet_executor_own(x, channels, sizeof *step->gamma, &step->gamma));
  FACET_TRY(facet_executor_own(x, channels, sizeof *step->beta, &step->beta));
  FACET_TRY(facet_executor_own(x, channels, sizeof *step->mean, &step->mean));
  return facet_executor_own(x, channels, sizeof *step->deviation, &step->deviation);
}

static facet_block_norm norm_of(const facet_step *step)
{
  return (facet_block_norm){.epsilon = step->fold[0]->lowered->epsilon,
                            .gamma = step->gamma,
                            .beta = step->beta,
                            .mean = step->mean,
                            .variance = step->deviation};
}

static facet_status block_refresh(facet_executor *x, facet_step *step)
{
  const facet_lowered *norm = step->fold[0]->lowered;
  const facet_value *value = x->network->value;
  FACET_TRY(facet_block_weights(step->block, value[step->lowered->weight].constant->data, x->held));
  for (int64_t c = 0; c < x->layout[step->output].channels; c++) {
    step->gamma[c] = facet_tensor_get(value[norm->gamma].constant, c);
    step->beta[c] = facet_tensor_get(value[norm->beta].constant, c);
  }
  return FACET_OK;
}

static facet_status block_forward(facet_executor *x, facet_step *step)
{
  facet_block_norm norm = norm_of(step);
  facet_block_forward(step->block, x->count, &norm, facet_value_data(x, step->in_slot[0]),
                      facet_value_data(x, step->out_slot));
  return FACET_OK;
}

/* Statistics of the batch go where the gradients of mean and variance would: training keeps running averages. */
static facet_status block_gradient(facet_executor *x, facet_step *step, float *gradient)
{
  const facet_lowered *l = step->lowered, *norm = step->fold[0]->lowered;
  const facet_way *way = &step->way[0];
  facet_block_norm statistics = norm_of(step);
  int64_t channels = x->layout[step->output].channels, size = facet_shape_size(x->network->value[l->weight].shape);
  float *part = x->scratch, *weight = facet_gradient_of(x, l->weight, gradient);
  float *to = facet_adjoint_data(x, way->addend == NO_SLOT ? way->to : way->scratch);
  double *grad_gamma = NULL, *grad_beta = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, grad_gamma, channels);
  FACET_NEW_GO(done, status, grad_beta, channels);
  facet_block_backward(step->block, x->count, &statistics, facet_adjoint_data(x, step->g_slot), to, part, grad_gamma,
                       grad_beta);
  if (way->addend != NO_SLOT && !step->left_to_gate)
    x->e->add(x->count * facet_value_size(x, step->input[0]), facet_adjoint_data(x, way->addend), 1, to,
              facet_adjoint_data(x, way->to));
  for (int64_t i = 0; i < size; i++) /* added: several nodes may share a constant */
    weight[i] += part[i];
  for (int64_t c = 0; c < channels; c++) {
    facet_gradient_of(x, norm->gamma, gradient)[c] += (float)grad_gamma[c];
    facet_gradient_of(x, norm->beta, gradient)[c] += (float)grad_beta[c];
    facet_gradient_of(x, norm->mean, gradient)[c] = (float)step->mean[c];
    facet_gradient_of(x, norm->variance, gradient)[c] = (float)step->deviation[c];
  }
done:
  facet_free(&grad_gamma);
  facet_free(&grad_beta);
  return status;
}

static facet_status block_pullback(facet_executor *x, facet_step *step)
{
  (void)x, (void)step; /* done together with its parameters */
  return FACET_OK;
}

const facet_kind_row facet_kind_block = {block_create,   block_refresh, block_forward,
                                         block_pullback, NULL,          block_gradient};
