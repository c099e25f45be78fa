/* A network: a graph of nodes over values, each node an operator of the table in operators.c.
 *
 * Shapes are per sample: the batch dimension, the first of an ONNX value, is left out of values that depend on the
 * input, and kept in constants as they are.  A value may also have no batch dimension ("whole"): one sample's part of
 * it is all of it, with the shape that it has in the file when the batch is 1.
 *
 * A network is built by the ONNX reader or by facet_network_plain(), then finished once
 * (facet_network_finish), which checks it, folds constants, infers every shape and fills the lowered form
 * of every node that the executor works with. */
#ifndef FACET_NET_H
#define FACET_NET_H

#include <facet/executor.h>
#include <facet/network.h>

#include "base/base.h"
#include "kernels/kernels.h"

/* A constant array: parameter of a network, or a list of integers. Row-major. */
typedef struct {
  facet_type type;
  facet_shape shape;
  void *data; /* owned */
} facet_tensor;

facet_status facet_tensor_create(facet_type type, facet_shape shape, facet_tensor **tensor); /* zeroed */
facet_status facet_tensor_copy(const facet_tensor *tensor, facet_tensor **copy);
facet_status facet_tensor_of_one(double number, facet_tensor **tensor); /* F64, of rank 0 */
void facet_tensor_destroy(facet_tensor **tensor);
double facet_tensor_get(const facet_tensor *tensor, int64_t i); /* any type, as double */
int64_t facet_whole_of(double x);                               /* cut off; the nearest there is, and 0 for NaN */
void facet_tensor_set(facet_tensor *tensor, int64_t i, double x);

/* An attribute of a node, as ONNX has it. Exactly one of the forms is set. */
typedef enum { FACET_INT, FACET_FLOAT, FACET_TEXT, FACET_INTS, FACET_FLOATS, FACET_TENSOR } facet_attribute_kind;
typedef struct {
  char *name;
  facet_attribute_kind kind;
  int64_t integer;   /* FACET_INT */
  double number;     /* FACET_FLOAT */
  char *text;        /* FACET_TEXT */
  int count;         /* of ints and floats */
  int64_t *integers; /* FACET_INTS */
  double *numbers;   /* FACET_FLOATS */
  facet_tensor *tensor;
} facet_attribute;

typedef struct facet_operator facet_operator;
typedef struct facet_lowered facet_lowered; /* what shape inference worked out for the executor: net/lowered.h */

typedef struct {
  char *name; /* never empty: "Conv_3" is made up where the file has none */
  char *type; /* ONNX operator */
  const facet_operator *op;
  int inputs, outputs;
  int *input, *output; /* value numbers; -1: optional input left out */
  int attributes;
  facet_attribute *attribute;
  facet_lowered *lowered; /* owned; NULL until finished */
} facet_node;

typedef struct {
  char *name;
  facet_tensor *constant; /* owned; NULL for values that depend on the input */
  facet_shape shape;      /* per sample if it depends on the input, else the constant's own */
  bool whole;             /* depends on the input, and `shape` is all of it: there is no batch dimension before */
  bool bounded;           /* has a bound whatever the sample: frozen.c */
  int producer;           /* node number; -1: network input or constant */
  int consumers;          /* how often live nodes read it; the network output counts once */
} facet_value;

enum { FACET_BATCH_OPEN = -1, FACET_BATCH_NONE = 0 }; /* any number; the input has no batch dimension */

struct facet_network {
  char *name;
  int opset;
  int nodes, values;
  facet_node *node; /* after finish: in an order in which every node follows its inputs */
  facet_value *value;
  int input, output;    /* value numbers */
  int64_t batch;        /* of the file: how many samples it fixes, or one of the names below */
  const char *stripped; /* "Softmax", "LogSoftmax", "Sigmoid": came last, the logits before it are explained; or NULL */
  bool secant;          /* what is not piecewise linear may be frozen at each sample: frozen.c */
  int64_t elements;     /* of all values that finishing has made so far */
  bool finished;
  int node_room, value_room; /* allocated */
  int *names, name_room;     /* hash table of values by name: number + 1, 0: free */
};

/* ---- building (reader's side). Names are copied; tensors and attribute arrays are taken over. ---- */

facet_status facet_network_create(const char *name, int opset, facet_network **network);
facet_status facet_network_copy_open(const facet_network *network, facet_network **copy); /* deep; not finished */
/* The number of the value called `name`, made if there is none. */
facet_status facet_network_value(facet_network *network, const char *name, int *value);
void facet_attributes_destroy(facet_attribute **attribute, int count); /* the array and its contents; nulls it */
facet_status facet_attributes_copy(const facet_attribute *attribute, int count, facet_attribute **copy);
/* Declares the one input; `shape` without the batch dimension. */
facet_status facet_network_set_input(facet_network *network, const char *name, facet_shape shape);
/* What the file says of its batch; open unless set. A fixed batch is no limit: samples are explained one by one. */
void facet_network_set_batch(facet_network *network, int64_t batch);
facet_status facet_network_set_output(facet_network *network, const char *name);
facet_status facet_network_add_constant(facet_network *network, const char *name, facet_tensor *tensor);
typedef struct {
  const char *type, *name; /* name NULL or "": made from the type */
  int inputs;
  const char *const *input; /* "": left out */
  int outputs;
  const char *const *output;
  int attributes;
  facet_attribute *attribute; /* taken over, array and contents */
} facet_node_words;
/* Adds a node. */
facet_status facet_network_add_node(facet_network *network, const facet_node_words *words);
/* Checks, sorts, folds constants, drops unused nodes, strips a last Softmax or Sigmoid, infers shapes, lowers.
 * FACET_BAD_INPUT names the node: "node Conv_3 (Conv): weights are 16 x 3 x 3 x 3 but the input has 4 channels". */
facet_status facet_network_finish(facet_network *network);

/* Whether a row of the operator table bears this name. */
bool facet_operator_known(const char *type);
/* The attributes of its row (struct facet_operator); "" for an operator without any, or without a row. */
const char *facet_operator_attributes(const char *type);

/* A Softplus that stands for several nodes of a file, being x above a threshold; those nodes, in order, and how many.
 * Values go by their numbers. */
enum { FACET_CHOICE_PARTS = 5 };
typedef struct {
  const char *type;
  int inputs, input[3], output;
} facet_choice_part;
bool facet_node_is_choice(const facet_node *node);
int facet_choice_parts(const facet_node *node, facet_choice_part part[FACET_CHOICE_PARTS]);

/* Flatten, then dense layers with ReLU after all but the last, of given numbers: size: layers + 1; numbers: weights
 * (inputs x outputs, by rows) and biases of layer after layer, rounded to float32. Finished. */
facet_status facet_network_dense(facet_shape input, int layers, const int64_t *size, const double *numbers,
                                 facet_network **network);
/* `lower` up to one of its values, and `upper` on that: one network, whose nodes and values of the second begin with
 * "prefix/". FACET_BAD_INPUT if the value has not the size of the upper one's input. Finished. */
facet_status facet_network_stack(const facet_network *lower, int value, const facet_network *upper, const char *prefix,
                                 facet_network **stacked);

/* ---- time ---- */

/* Seconds of a forward pass of one sample: the best of several passes of noise, `batch` samples at once where that is
 * quick, else fewer. */
facet_status facet_forward_measure(const facet_network *network, facet_type precision, int64_t batch, double *seconds);

#endif
