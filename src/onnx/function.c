/* Functions that a model brings along: operators that are made of operators, as some exporters leave them.
 *
 * Every node that calls one is replaced by the function's nodes, before anything else looks at the graph.  Values
 * inside get names that no value of the graph has ("x::3" for the third call), nodes the names of their callers in
 * front ("caller/node").  A few lines of a file could so describe more nodes than any memory holds; what is made is
 * therefore counted. */
#include <string.h>

#include "graph.h"

enum { MOST_NESTED = 64, MOST_FORMALS = 1000, MOST_COLONS = 16, MOST_BYTES = 1 << 25 };

/* A call that is being replaced. */
typedef struct call {
  const struct call *outer;
  const Onnx__FunctionProto *function;
  const Onnx__NodeProto *node; /* as it stands in the graph: names and attributes are those of the graph */
  size_t number, depth;
} call;

typedef struct {
  const Onnx__ModelProto *model;
  facet_onnx_inlined *to;
  char separator[MOST_COLONS + 2];
  size_t calls;
} work;

/* ---- what is made, all freed in one go ---- */

/* Room for one more in an array that doubles. */
static facet_status make_room(void *array, size_t used, size_t *room)
{
  if (used < *room)
    return FACET_OK;
  size_t more = *room ? 2 * *room : 64;
  FACET_TRY(facet_grow(array, used, more, sizeof(void *)));
  *room = more;
  return FACET_OK;
}

/* Takes a piece of memory over; NULL was a failure. */
static facet_status keep(work *w, void *piece, size_t bytes)
{
  facet_onnx_inlined *to = w->to;
  if (!piece)
    return FACET_OS;
  facet_status status = make_room(&to->piece, to->pieces, &to->piece_room);
  if (status != FACET_OK) {
    facet_free(&piece);
    return status;
  }
  to->piece[to->pieces++] = piece;
  to->bytes += bytes + 64;
  FACET_CHECK(to->bytes <= MOST_BYTES, FACET_BAD_INPUT, "the functions of the file make too large a network");
  return FACET_OK;
}

#define KEEP(w, p, count)                                                                                              \
  do {                                                                                                                 \
    (p) = facet_allocate((size_t)(count), sizeof *(p));                                                                \
    FACET_TRY(keep((w), (p), (size_t)(count) * sizeof *(p)));                                                          \
  } while (0)

static facet_status keep_text(work *w, char *text, char **kept)
{
  *kept = text;
  return keep(w, text, text ? strlen(text) : 0);
}

void facet_onnx_inlined_clear(facet_onnx_inlined *inlined)
{
  for (size_t i = 0; i < inlined->pieces; i++)
    facet_free(&inlined->piece[i]);
  for (size_t i = 0; i < inlined->values; i++)
    onnx__attribute_proto__free_unpacked(inlined->value[i], &facet_onnx_memory);
  facet_free(&inlined->piece);
  facet_free(&inlined->value);
  facet_free(&inlined->node);
}

/* ---- names ---- */

static void count_colons(const char *name, size_t *longest)
{
  for (const char *at = name ? strchr(name, ':') : NULL; at; at = strchr(at, ':')) {
    size_t run = strspn(at, ":");
    *longest = run > *longest ? run : *longest;
    at += run;
  }
}

/* Colons, more of them than any value of the graph has in a row. */
static facet_status choose_separator(work *w)
{
  const Onnx__GraphProto *g = w->model->graph;
  size_t longest = 1;
  for (size_t i = 0; i < g->n_input; i++)
    count_colons(g->input[i]->name, &longest);
  for (size_t i = 0; i < g->n_initializer; i++)
    count_colons(g->initializer[i]->name, &longest);
  for (size_t i = 0; i < g->n_node; i++) {
    for (size_t j = 0; j < g->node[i]->n_input; j++)
      count_colons(g->node[i]->input[j], &longest);
    for (size_t j = 0; j < g->node[i]->n_output; j++)
      count_colons(g->node[i]->output[j], &longest);
  }
  FACET_CHECK(longest <= MOST_COLONS, FACET_BAD_INPUT, "names of values have up to %zu colons in a row", longest);
  memset(w->separator, ':', longest + 1);
  return FACET_OK;
}

static bool find_name(size_t count, char *const *names, const char *name, size_t *at)
{
  for (*at = 0; *at < count; ++*at)
    if (strcmp(names[*at], name) == 0)
      return true;
  return false;
}

/* What a value of a function's body is called in the graph. */
static facet_status graph_name(work *w, const call *c, char *name, char **result)
{
  size_t at;
  *result = (char *)"";
  if (!name[0])
    return FACET_OK;
  if (find_name(c->function->n_input, c->function->input, name, &at)) {
    if (at < c->node->n_input)
      *result = c->node->input[at];
    return FACET_OK;
  }
  if (find_name(c->function->n_output, c->function->output, name, &at) && at < c->node->n_output &&
      c->node->output[at][0]) {
    *result = c->node->output[at];
    return FACET_OK;
  }
  return keep_text(w, facet_format("%s%s%zu", name, w->separator, c->number), result);
}

static facet_status graph_names(work *w, const call *c, size_t count, char *const *names, char ***result)
{
  KEEP(w, *result, count);
  for (size_t i = 0; i < count; i++)
    FACET_TRY(graph_name(w, c, names[i], &(*result)[i]));
  return FACET_OK;
}

/* ---- attributes ---- */

/* The value that a reference stands for: the caller's, else the function's default, else none. */
static facet_status referred(work *w, const call *c, const char *name, const Onnx__AttributeProto **value)
{
  facet_onnx_inlined *to = w->to;
  Onnx__AttributeProto *otherwise;
  *value = facet_onnx_attribute(c->node, name);
  if (*value)
    return FACET_OK;
  FACET_TRY(facet_onnx_default(c->function, name, &otherwise));
  if (!otherwise)
    return FACET_OK;
  facet_status status = facet_grow(&to->value, to->values, to->values + 1, sizeof *to->value);
  if (status != FACET_OK) {
    onnx__attribute_proto__free_unpacked(otherwise, &facet_onnx_memory);
    return status;
  }
  to->value[to->values++] = otherwise;
  to->bytes += 1024;
  *value = otherwise;
  return FACET_OK;
}

static facet_status graph_attributes(work *w, const call *c, Onnx__NodeProto *p)
{
  Onnx__AttributeProto **attribute;
  size_t count = 0;
  KEEP(w, attribute, p->n_attribute);
  for (size_t i = 0; i < p->n_attribute; i++) {
    Onnx__AttributeProto *a = p->attribute[i];
    if (a->ref_attr_name && a->ref_attr_name[0]) {
      const Onnx__AttributeProto *value;
      Onnx__AttributeProto *copy;
      FACET_TRY(referred(w, c, a->ref_attr_name, &value));
      if (!value)
        continue;
      KEEP(w, copy, 1);
      *copy = *value;
      copy->name = a->name;
      a = copy;
    }
    attribute[count++] = a;
  }
  p->attribute = attribute;
  p->n_attribute = count;
  return FACET_OK;
}

/* ---- nodes ---- */

static const Onnx__FunctionProto *find_function(const Onnx__ModelProto *model, const Onnx__NodeProto *p, bool *twice)
{
  const Onnx__FunctionProto *found = NULL;
  *twice = false;
  if (!p->op_type || facet_onnx_node_known(p))
    return NULL;
  for (size_t i = 0; i < model->n_functions; i++) {
    const Onnx__FunctionProto *f = model->functions[i];
    const char *domain = f->domain ? f->domain : "", *wanted = p->domain ? p->domain : "";
    bool same = strcmp(domain, wanted) == 0 || (facet_onnx_standard(domain) && facet_onnx_standard(wanted));
    if (!f->name || !same || strcmp(f->name, p->op_type) != 0)
      continue;
    *twice = found != NULL;
    found = f;
  }
  return found;
}

/* The operators inside must mean what they mean outside. */
static facet_status check_opset(const work *w, const Onnx__FunctionProto *f)
{
  int inside = facet_onnx_imported(f->n_opset_import, f->opset_import), outside;
  FACET_TRY(facet_onnx_opset(w->model, &outside));
  bool alike = inside == 0 || inside == outside || (inside >= 13 && outside >= 13);
  FACET_CHECK(alike, FACET_BAD_INPUT, "the function is in operator set %d but the network in %d", inside, outside);
  return FACET_OK;
}

static facet_status check_call(const work *w, const call *c)
{
  const Onnx__FunctionProto *f = c->function;
  const Onnx__NodeProto *p = c->node;
  for (const call *o = c->outer; o; o = o->outer)
    FACET_CHECK(o->function != f, FACET_BAD_INPUT, "the function calls itself");
  FACET_CHECK(c->depth <= MOST_NESTED, FACET_BAD_INPUT, "functions call each other more than %d deep", MOST_NESTED);
  FACET_CHECK(p->n_input <= f->n_input && p->n_output <= f->n_output, FACET_BAD_INPUT,
              "has %zu inputs and %zu outputs but the function %zu and %zu", p->n_input, p->n_output, f->n_input,
              f->n_output);
  FACET_CHECK(f->n_input <= MOST_FORMALS && f->n_output <= MOST_FORMALS && p->n_attribute <= MOST_FORMALS,
              FACET_BAD_INPUT, "the function has more than %d inputs, outputs or attributes", MOST_FORMALS);
  for (size_t i = 0, at; i < f->n_output; i++)
    FACET_CHECK(!find_name(f->n_input, f->input, f->output[i], &at), FACET_BAD_INPUT,
                "%s is input and output of the function: not supported", f->output[i]);
  return check_opset(w, f);
}

/* A node of a function's body as it stands in the graph. */
static facet_status graph_node(work *w, const call *c, const Onnx__NodeProto *p, size_t i, Onnx__NodeProto **node)
{
  char *name;
  FACET_CHECK(p->n_attribute <= MOST_FORMALS, FACET_BAD_INPUT, "has %zu attributes", p->n_attribute);
  FACET_TRY(keep_text(w, facet_onnx_node_name(p, i), &name));
  KEEP(w, *node, 1);
  **node = *p;
  FACET_TRY(keep_text(w, facet_format("%s/%s", c->node->name, name), &(*node)->name));
  FACET_TRY(graph_names(w, c, p->n_input, p->input, &(*node)->input));
  FACET_TRY(graph_names(w, c, p->n_output, p->output, &(*node)->output));
  return graph_attributes(w, c, *node);
}

static facet_status add_nodes(work *w, const call *c, size_t count, Onnx__NodeProto *const *nodes);

/* The node of the graph, or what stands in its place. */
static facet_status add_node(work *w, const call *outer, Onnx__NodeProto *p, size_t i)
{
  bool twice;
  call c = {.outer = outer, .node = p, .depth = outer ? outer->depth + 1 : 1};
  c.function = find_function(w->model, p, &twice);
  if (!c.function) {
    FACET_TRY(make_room(&w->to->node, w->to->nodes, &w->to->node_room));
    w->to->node[w->to->nodes++] = p;
    return FACET_OK;
  }
  Onnx__NodeProto *named;
  KEEP(w, named, 1);
  *named = *p;
  FACET_TRY(keep_text(w, facet_onnx_node_name(p, i), &named->name));
  c.node = named;
  c.number = ++w->calls;
  facet_status status =
      twice ? facet_raise(FACET_BAD_INPUT, "there are several functions of this name") : check_call(w, &c);
  if (status != FACET_OK)
    return facet_raise_in(status, "node %s (%s): ", named->name, named->op_type);
  return add_nodes(w, &c, c.function->n_node, c.function->node);
}

static facet_status add_nodes(work *w, const call *c, size_t count, Onnx__NodeProto *const *nodes)
{
  for (size_t i = 0; i < count; i++) {
    Onnx__NodeProto *p = nodes[i];
    if (c)
      FACET_TRY(graph_node(w, c, nodes[i], i, &p));
    FACET_TRY(add_node(w, c, p, i));
  }
  return FACET_OK;
}

facet_status facet_onnx_inline(const Onnx__ModelProto *model, facet_onnx_inlined *inlined)
{
  work w = {.model = model, .to = inlined};
  *inlined = (facet_onnx_inlined){.graph = *model->graph};
  if (model->n_functions == 0)
    return FACET_OK;
  facet_status status;
  FACET_GO(done, status, choose_separator(&w));
  status = add_nodes(&w, NULL, model->graph->n_node, model->graph->node);
done:
  inlined->graph.n_node = inlined->nodes;
  inlined->graph.node = inlined->node;
  return status;
}
