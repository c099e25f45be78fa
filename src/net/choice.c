/* Softplus as PyTorch's newer exporter writes it, read as one node.
 *
 * PyTorch's Softplus is x itself above a threshold, and the file says so in up to five nodes:
 *     Where(beta x > threshold, x, Softplus(beta x) / beta)
 * with no product and no quotient where beta is 1.  That is one function of one number (curve.c), whatever its parts
 * are, and any other Where of values is refused.  The node that stands for them is a Softplus whose inputs are x,
 * threshold and beta, and whose outputs are the result, which alone is read, and the names of what lay between: the
 * writer takes it apart again.  An attribute marks it, which no file can have, since ONNX's Softplus has none. */
#include <string.h>

#include "finish.h"

static const char mark[] = "threshold";

enum { IN_X, IN_THRESHOLD, IN_BETA };                                 /* IN_BETA: NO_VALUE where it is 1 */
enum { OUT_RESULT, OUT_LARGE, OUT_CURVE, OUT_TIMES, OUT_OVER, OUTS }; /* OUT_TIMES, OUT_OVER: NO_VALUE without it */

bool facet_node_is_choice(const facet_node *node)
{
  return facet_node_attribute(node, mark) && strcmp(node->type, "Softplus") == 0;
}

/* ---- reading ---- */

static bool is(const facet_node *node, const char *type, int inputs)
{
  return node && node->type && strcmp(node->type, type) == 0 && node->inputs == inputs && node->outputs == 1;
}

/* The node that makes a value which nothing but the parts of a choice may read, so many of them; NULL: there is none.
 * Producers are not up to date while nodes move. */
static facet_node *maker_of(const facet_network *network, int value, int readers)
{
  if (value == NO_VALUE || network->value[value].consumers != readers)
    return NULL;
  for (int i = 0; i < network->nodes; i++)
    if (network->node[i].type && network->node[i].outputs > 0 && network->node[i].output[0] == value)
      return &network->node[i];
  return NULL;
}

/* Input j, where that is one number which spreads over x; NO_VALUE: it is not. */
static int number_at(const facet_network *network, const facet_node *node, int j, int x)
{
  const facet_tensor *t = facet_node_constant(network, node, j);
  bool one = t && facet_shape_size(t->shape) == 1 && facet_spreads(t->shape, facet_full_shape(network, x));
  return one ? node->input[j] : NO_VALUE;
}

static double number_of(const facet_network *network, int value)
{
  return facet_tensor_get(network->value[value].constant, 0);
}

/* The parts of a choice, but for the Where. */
typedef struct {
  facet_node *large, *curve, *times, *over; /* the last two: NULL without beta */
  int threshold, beta;
} parts;

/* beta x, whose factor is beta, of which the curve is what is divided by beta in turn. */
static bool find_scaled(const facet_network *network, const facet_node *where, int scaled, parts *p)
{
  int x = where->input[1];
  p->times = maker_of(network, scaled, 2);
  p->over = maker_of(network, where->input[2], 1);
  if (!is(p->times, "Mul", 2) || !is(p->over, "Div", 2))
    return false;
  int side = p->times->input[0] == x ? 1 : 0;
  int divisor = number_at(network, p->over, 1, x);
  p->beta = p->times->input[1 - side] == x ? number_at(network, p->times, side, x) : NO_VALUE;
  p->curve = maker_of(network, p->over->input[0], 1);
  return p->beta != NO_VALUE && divisor != NO_VALUE && number_of(network, p->beta) == number_of(network, divisor);
}

static bool find_parts(const facet_network *network, const facet_node *where, parts *p)
{
  *p = (parts){.beta = NO_VALUE};
  if (!is(where, "Where", 3))
    return false;
  for (int j = 0; j < where->inputs; j++)
    if (!facet_node_has(where, j))
      return false;
  int x = where->input[1];
  p->large = maker_of(network, where->input[0], 1);
  if (network->value[x].constant || !is(p->large, "Greater", 2))
    return false;
  int compared = p->large->input[0];
  p->threshold = number_at(network, p->large, 1, x);
  if (compared == x)
    p->curve = maker_of(network, where->input[2], 1);
  else if (!find_scaled(network, where, compared, p))
    return false;
  return p->threshold != NO_VALUE && is(p->curve, "Softplus", 1) && p->curve->input[0] == compared;
}

bool facet_choice_follows(const facet_network *network, int i)
{
  const facet_node *node = &network->node[i];
  if (!is(node, "Greater", 2) || node->output[0] == NO_VALUE)
    return false;
  for (int j = i + 1; j < network->nodes; j++) {
    const facet_node *later = &network->node[j];
    if (is(later, "Where", 3) && later->input[0] == node->output[0])
      return network->value[node->output[0]].consumers == 1;
  }
  return false;
}

facet_status facet_choice_replace(facet_network *network, int j)
{
  facet_node *node = &network->node[j];
  parts p;
  int *output;
  if (!find_parts(network, node, &p))
    return FACET_OK;
  FACET_NEW(output, OUTS);
  output[OUT_RESULT] = node->output[0];
  output[OUT_LARGE] = p.large->output[0];
  output[OUT_CURVE] = p.curve->output[0];
  output[OUT_TIMES] = p.times ? p.times->output[0] : NO_VALUE;
  output[OUT_OVER] = p.over ? p.over->output[0] : NO_VALUE;
  for (int k = OUT_LARGE; k < OUTS; k++) /* these were read by the parts alone */
    if (output[k] != NO_VALUE)
      network->value[output[k]].consumers = 0;
  facet_free(&node->output);
  node->output = output;
  node->outputs = OUTS;
  node->input[IN_X] = node->input[1];
  node->input[IN_THRESHOLD] = p.threshold;
  node->input[IN_BETA] = p.beta;
  facet_free(&node->type);
  node->type = facet_copy_text("Softplus");
  facet_attributes_destroy(&node->attribute, node->attributes);
  node->attributes = 0;
  FACET_NEW(node->attribute, 1);
  node->attributes = 1;
  node->attribute[0] = (facet_attribute){.name = facet_copy_text(mark), .kind = FACET_INT, .integer = 1};
  facet_node *const part[] = {p.large, p.curve, p.times, p.over};
  for (size_t k = 0; k < sizeof part / sizeof part[0]; k++)
    if (part[k])
      facet_node_clear(part[k]);
  return node->type && node->attribute[0].name ? FACET_OK : FACET_OS;
}

/* ---- lowering ---- */

facet_status facet_choice_numbers(const facet_network *network, const facet_node *node, double *beta, double *threshold)
{
  bool given = false;
  FACET_TRY(facet_node_scalar(network, node, IN_THRESHOLD, &given, threshold));
  FACET_TRY(facet_node_scalar(network, node, IN_BETA, &given, beta));
  if (!(*beta > 0) || !(*threshold >= 0))
    return facet_node_raise(node, "its beta is %g and its threshold %g: above 0, and not below 0, are supported", *beta,
                            *threshold);
  return FACET_OK;
}

/* ---- writing ---- */

int facet_choice_parts(const facet_node *node, facet_choice_part part[FACET_CHOICE_PARTS])
{
  const int *in = node->input, *out = node->output;
  bool scaled = in[IN_BETA] != NO_VALUE;
  int count = 0, u = scaled ? out[OUT_TIMES] : in[IN_X];
  if (scaled)
    part[count++] = (facet_choice_part){"Mul", 2, {in[IN_X], in[IN_BETA]}, u};
  part[count++] = (facet_choice_part){"Softplus", 1, {u}, out[OUT_CURVE]};
  if (scaled)
    part[count++] = (facet_choice_part){"Div", 2, {out[OUT_CURVE], in[IN_BETA]}, out[OUT_OVER]};
  part[count++] = (facet_choice_part){"Greater", 2, {u, in[IN_THRESHOLD]}, out[OUT_LARGE]};
  part[count++] = (facet_choice_part){
      "Where", 3, {out[OUT_LARGE], in[IN_X], scaled ? out[OUT_OVER] : out[OUT_CURVE]}, out[OUT_RESULT]};
  return count;
}
