/* Damaged copies of a case's model: whatever is changed in it, reading ends with a network that runs, or with one line
 * and FACET_BAD_INPUT, in less than a second and a GiB.
 *
 * Some copies have changed bytes; most have changed messages, so that they get further than to the unpacking: numbers
 * that no one would write, names that point elsewhere (cycles, missing initializers), other operators. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "case.h"

enum { MOST_BYTES = 1 << 20, LARGEST_RUN = 1 << 14 };

static const int64_t odd[] = {
    0,
    -1,
    1,
    2,
    3,
    4,
    7,
    -2,
    -3,
    255,
    65536,
    1 << 20,
    (int64_t)1 << 31,
    -((int64_t)1 << 31),
    (int64_t)1 << 40,
    (int64_t)1 << 62,
    INT64_MAX,
    INT64_MIN,
};

/* ---- chance ---- */

typedef struct {
  uint64_t seed, draw;
} dice;

/* Each copy of each case has its own, always the same (FNV-1a of the name). */
static dice dice_of(const char *name, int copy)
{
  uint64_t hash = 0xcbf29ce484222325;
  for (const char *at = name; *at; at++)
    hash = (hash ^ (uint8_t)*at) * 0x100000001b3;
  return (dice){.seed = hash + (uint64_t)copy};
}

/* A number below `count`, which is not 0. */
static size_t roll(dice *d, size_t count)
{
  double u = facet_random_uniform((facet_random){7, 7}, d->seed, d->draw++);
  size_t i = (size_t)(u * (double)count);
  return i < count ? i : count - 1;
}

static int64_t odd_number(dice *d)
{
  return odd[roll(d, sizeof odd / sizeof odd[0])];
}

/* ---- changes to messages; each does nothing where there is nothing to change ---- */

static void rename_to(char **name, const char *other)
{
  char *copy = strdup(other ? other : "");
  free(*name); /* protobuf-c's, from malloc */
  *name = copy;
}

static Onnx__NodeProto *any_node(dice *d, const Onnx__GraphProto *g)
{
  return g->n_node ? g->node[roll(d, g->n_node)] : NULL;
}

static void change_attribute(dice *d, Onnx__GraphProto *g)
{
  Onnx__NodeProto *p = any_node(d, g);
  if (!p || !p->n_attribute)
    return;
  Onnx__AttributeProto *a = p->attribute[roll(d, p->n_attribute)];
  if (a->n_ints)
    a->ints[roll(d, a->n_ints)] = odd_number(d);
  else if (a->n_floats)
    a->floats[roll(d, a->n_floats)] = roll(d, 2) ? NAN : 1e30F;
  else if (a->has_f)
    a->f = roll(d, 2) ? INFINITY : -1e30F;
  else if (a->has_i)
    a->i = odd_number(d);
  if (roll(d, 8) == 0)
    a->type = (Onnx__AttributeProto__AttributeType)roll(d, 15);
  if (roll(d, 8) == 0)
    a->n_ints -= a->n_ints > 0;
}

static const char *any_name(dice *d, const Onnx__GraphProto *g)
{
  Onnx__NodeProto *p = any_node(d, g);
  size_t kind = roll(d, 4);
  if (kind == 0 && g->n_initializer)
    return g->initializer[roll(d, g->n_initializer)]->name;
  if (kind == 1 && g->n_input)
    return g->input[roll(d, g->n_input)]->name;
  if (kind == 2 && p && p->n_output)
    return p->output[roll(d, p->n_output)];
  return kind == 3 ? "nowhere" : "";
}

static void change_names(dice *d, Onnx__GraphProto *g)
{
  Onnx__NodeProto *p = any_node(d, g);
  if (p && p->n_input && roll(d, 4))
    rename_to(&p->input[roll(d, p->n_input)], any_name(d, g));
  else if (p && p->n_output)
    rename_to(&p->output[roll(d, p->n_output)], any_name(d, g));
  if (g->n_output && roll(d, 4) == 0)
    rename_to(&g->output[0]->name, any_name(d, g));
}

static void change_operator(dice *d, Onnx__GraphProto *g)
{
  Onnx__NodeProto *p = any_node(d, g);
  size_t count = 0;
  while (claims[count])
    count++;
  if (p)
    rename_to(&p->op_type, claims[roll(d, count)]);
}

static void change_inputs(dice *d, Onnx__GraphProto *g)
{
  Onnx__NodeProto *p = any_node(d, g);
  if (p && p->n_input && roll(d, 2))
    free(p->input[--p->n_input]);
  else if (p && p->n_attribute)
    onnx__attribute_proto__free_unpacked(p->attribute[--p->n_attribute], NULL);
}

static void change_tensor(dice *d, Onnx__GraphProto *g)
{
  if (!g->n_initializer)
    return;
  size_t i = roll(d, g->n_initializer);
  Onnx__TensorProto *t = g->initializer[i];
  size_t kind = roll(d, 6);
  int64_t number = odd_number(d);
  if (kind == 0 && t->n_dims)
    t->dims[roll(d, t->n_dims)] = number;
  else if (kind == 1)
    t->data_type = (int32_t)roll(d, 24);
  else if (kind == 2 && t->n_dims)
    t->n_dims--;
  else if (kind == 3) {
    onnx__tensor_proto__free_unpacked(t, NULL);
    g->initializer[i] = g->initializer[--g->n_initializer];
  } else if (t->raw_data.len >= sizeof number)
    memcpy(t->raw_data.data + sizeof number * roll(d, t->raw_data.len / sizeof number), &number, sizeof number);
  else if (t->n_int64_data)
    t->int64_data[roll(d, t->n_int64_data)] = number;
}

static void change_input(dice *d, Onnx__GraphProto *g)
{
  Onnx__ValueInfoProto *v = g->n_input ? g->input[roll(d, g->n_input)] : NULL;
  if (!v || !v->type || v->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !v->type->tensor_type->shape)
    return;
  Onnx__TensorShapeProto *s = v->type->tensor_type->shape;
  if (!s->n_dim)
    return;
  Onnx__TensorShapeProto__Dimension *dim = s->dim[roll(d, s->n_dim)];
  if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
    dim->dim_value = odd_number(d);
}

static void change_message(dice *d, Onnx__ModelProto *m)
{
  static void (*const changes[])(dice *, Onnx__GraphProto *) = {
      change_attribute, change_attribute, change_names,  change_operator,
      change_inputs,    change_tensor,    change_tensor, change_input,
  };
  for (size_t times = 1 + roll(d, 2); times > 0; times--)
    changes[roll(d, sizeof changes / sizeof changes[0])](d, m->graph);
  if (m->n_opset_import && roll(d, 10) == 0)
    m->opset_import[0]->version = roll(d, 2) ? odd_number(d) : (int64_t)roll(d, 25);
}

/* ---- changes to bytes ---- */

static void change_bytes(dice *d, uint8_t *bytes, size_t *count)
{
  size_t at = roll(d, *count), to = roll(d, *count), length = 1 + roll(d, 30);
  switch (roll(d, 3)) {
  case 0:
    *count = at;
    break;
  case 1:
    if (at + length <= *count && to + length <= *count)
      memmove(bytes + to, bytes + at, length);
    break;
  default:
    for (size_t times = 1 + roll(d, 4); times > 0; times--)
      bytes[roll(d, *count)] = (uint8_t)roll(d, 256);
  }
}

/* A damaged copy of the model in place of it; its size in *count. */
static bool damage(dice *d, const uint8_t *whole, size_t size, uint8_t *bytes, size_t *count)
{
  memcpy(bytes, whole, size);
  *count = size;
  if (roll(d, 4) == 0) {
    change_bytes(d, bytes, count);
    return true;
  }
  Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size, whole);
  if (!m)
    return false;
  change_message(d, m);
  *count = onnx__model_proto__get_packed_size(m);
  bool fits = *count <= MOST_BYTES;
  if (fits)
    onnx__model_proto__pack(m, bytes);
  onnx__model_proto__free_unpacked(m, NULL);
  return fits;
}

/* ---- what comes of it ---- */

/* Forward and one row back, of a network that is still small. */
static facet_status run(const facet_network *n)
{
  int64_t size = facet_shape_size(facet_network_input_shape(n));
  for (int v = 0; v < n->values; v++)
    if (facet_shape_size(n->value[v].shape) > LARGEST_RUN)
      return FACET_OK;
  double *x, *w, *b_node;
  int32_t row = 0;
  facet_executor *e = NULL;
  FACET_NEW(x, size);
  FACET_NEW(w, size);
  for (int64_t i = 0; i < size; i++)
    x[i] = facet_random_uniform((facet_random){5, 5}, 0, (uint64_t)i) - 0.5;
  facet_status status =
      facet_executor_create(n, (facet_executor_options){.real = FACET_F64, .batch = 1, .rows = 1}, &e);
  b_node = facet_allocate((size_t)(status == FACET_OK ? facet_executor_constant_nodes(e) : 0), sizeof *b_node);
  if (status == FACET_OK)
    status = facet_executor_forward(e, x, 1);
  if (status == FACET_OK)
    status = facet_executor_pullback(e, &row, w, b_node);
  facet_executor_destroy(&e);
  facet_free(&x);
  facet_free(&w);
  facet_free(&b_node);
  return status;
}

static long most_memory = 1 << 20; /* KiB */

static facet_status check(const uint8_t *bytes, size_t count)
{
  facet_network *n;
  struct rusage usage;
  clock_t start = clock();
  facet_status status = facet_onnx_read_bytes("damaged", bytes, count, &n);
  double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
  FACET_CHECK(status == FACET_OK || status == FACET_BAD_INPUT, FACET_INTERNAL, "status %d: %s", (int)status,
              facet_message());
  FACET_CHECK(status == FACET_OK || (facet_message()[0] && !strchr(facet_message(), '\n')), FACET_INTERNAL,
              "no line says what is wrong");
  bool known = status == FACET_OK;
  status = known ? run(n) : FACET_OK;
  facet_network_destroy(&n);
  (void)getrusage(RUSAGE_SELF, &usage);
  FACET_CHECK(status == FACET_OK, FACET_INTERNAL, "read, but does not run: status %d: %s", (int)status,
              facet_message());
  FACET_CHECK(seconds < 1, FACET_INTERNAL, "took %.1f s", seconds);
  bool more = usage.ru_maxrss > most_memory; /* the peak of the process: each is one copy's fault */
  most_memory = more ? usage.ru_maxrss : most_memory;
  FACET_CHECK(!more, FACET_INTERNAL, "took %ld MiB", usage.ru_maxrss >> 10);
  return FACET_OK;
}

static void keep(const char *path, const uint8_t *bytes, size_t count)
{
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, count, file) != count)
    printf("cannot write %s\n", path);
  if (file)
    (void)fclose(file);
}

facet_status damage_check(const onnx_case *c, int copies, const char *folder, int *failed)
{
  uint8_t *whole = facet_allocate(MOST_BYTES, 1), *bytes = facet_allocate(MOST_BYTES, 1);
  size_t size = 0, count;
  facet_status status = whole && bytes ? case_pack(c, 0, 0, MOST_BYTES, whole, &size) : FACET_OS;
  for (int i = 0; i < copies && status == FACET_OK && size > 0; i++) {
    dice d = dice_of(c->name, i);
    char *path = facet_format("%s/%s-%d.onnx", folder ? folder : ".", c->name, i);
    if (path && damage(&d, whole, size, bytes, &count)) {
      if (folder)
        keep(path, bytes, count);
      if (check(bytes, count) != FACET_OK) {
        *failed += 1;
        printf("FAILED copy %d of %s: %s\n", i, c->name, facet_message());
      } else if (folder) {
        (void)remove(path); /* what is left after a crash is the culprit */
      }
    }
    facet_free(&path);
  }
  facet_free(&whole);
  facet_free(&bytes);
  return status;
}
