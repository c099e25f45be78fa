/* Pruning: which weights to remove.  sparsity is always the fraction REMOVED of the prunable weights
 * (Conv, Gemm and MatMul weights: parameters of role FACET_WEIGHT). */
#ifndef FACET_FACE_PRUNE_H
#define FACET_FACE_PRUNE_H

#include <facet/network.h>

FACET_BEGIN

/* How to choose what goes: a row of the table of methods. */
typedef struct facet_method facet_method;
/* "magnitude", "snip", ...: the names of docs/study.md, numbered 0, 1, ... NULL: there is none of that name, or
 * number. */
const facet_method *facet_method_find(const char *name);
const char *facet_method_name(int number);

typedef enum { FACET_SCOPE_GLOBAL, FACET_SCOPE_LAYER } facet_scope;
const char *facet_scope_name(int scope); /* "global", "layer"; NULL: there is none of that number */

typedef struct {
  const facet_method *method; /* one that does not train */
  facet_scope scope;
  double sparsity;                      /* in [0, 1) */
  uint32_t seed;                        /* random */
  int norm;                             /* filter: 1 (0: the same) or 2 */
  int rounds;                           /* synflow; 0: 100 */
  bool allow_collapse;                  /* a layer may lose its last weight, or filter */
  facet_status (*pause)(void *context); /* called before each batch and round; not FACET_OK: is returned; or NULL */
  void *context;
} facet_pruning;

/* What taylor, snip and grasp look at, in batches of `batch`; the last one of them may be smaller. */
typedef struct {
  const float *x;       /* count x D in the network's input order */
  const int32_t *label; /* count, 0 .. K-1 */
  int64_t count, batch;
} facet_calibration;

/* What stays of one prunable layer. */
struct facet_mask_layer {
  int value; /* the weight constant in the network */
  int node;
  int64_t size;
  int64_t removed;
  bool guarded; /* all of it but the last weight (filter) is gone, and that one is there because layers never lose their
                   last: its turn had come */
  uint8_t *keep; /* size bytes: 1 kept, 0 removed; row-major like the constant */
};
typedef struct facet_mask facet_mask;

/* The mask that removes round(sparsity * size) weights: over all layers together (global), or in each one (layer).
 * Lowest score goes first; equal scores in order of position, so the mask is the same everywhere.  Unless collapse is
 * allowed the highest weight of every layer stays: where its turn comes, the next one elsewhere goes instead (global),
 * or one less goes (layer, or nothing left elsewhere); see `guarded`.
 *
 * Filters: the weights that make one output channel (one neuron).  Layers that make the network's output keep theirs,
 * one for each class, and do not count.  Scores are sum |w| or sqrt(sum w^2), with the mean in place of the sum where
 * filters of different layers compete.  They go, lowest first, as long as that brings the number of weights removed
 * nearer to sparsity * size (or equally near).  Parameters that their channels would still put out go with them: bias,
 * and shift and mean of the batch norm behind.
 *
 * data: NULL unless the method needs some.  FACET_BAD_INPUT where it is missing or wrong, or scores are not finite.
 * Caller destroys. */
facet_status facet_mask_create(const facet_network *network, const facet_pruning *how, const facet_calibration *data,
                               facet_mask **mask);
/* What is exactly zero in a network (an external variant, for one). */
facet_status facet_mask_of_zeros(const facet_network *network, facet_mask **mask);
/* A file of masks (HDF5: below /masks one uint8 dataset for each prunable layer, called as its weights are in ONNX,
 * with | for /), written whole or not at all. Reading wants a mask of the right shape for every layer, of 0 and 1, and
 * no other; errors: FACET_NO_INPUT, FACET_BAD_INPUT with "FILE: why". */
facet_status facet_mask_write(const facet_network *network, const facet_mask *mask, const char *path);
facet_status facet_mask_read(const facet_network *network, const char *path, facet_mask **mask);
void facet_mask_destroy(facet_mask **mask);
int facet_mask_layers(const facet_mask *mask);
/* The mask's own; layer: 0, 1, ... */
const struct facet_mask_layer *facet_mask_layer(const facet_mask *mask, int layer);
void facet_mask_apply(const facet_mask *mask, facet_network *network); /* removed weights, silences: +0 */
double facet_mask_sparsity(const facet_mask *mask);                    /* achieved, over all layers */
/* What is to be said of a layer (0, 1, ... of the mask) that has no more than one weight or filter left; NULL: nothing.
 * Caller frees with facet_free. */
facet_status facet_mask_collapse(const facet_network *network, const facet_mask *mask, int layer, char **text);

/* Dead channels: output channels of linear nodes that the logits do not hear of, or hear of as a constant that the next
 * layer's bias can take over.  What cannot be shown to be dead is not. */
typedef struct {
  int layers;
  int64_t channels, zero, dead; /* over all layers */
  struct facet_channel_layer {
    int node;
    int64_t channels;
    int64_t zero; /* their weights (the filter) are all zero */
    int64_t dead;
  } * layer;
} facet_channels;

facet_status facet_channels_dead(const facet_network *network, facet_channels **channels);
void facet_channels_destroy(facet_channels **channels);
/* A network without them, finished, with the same logits; a copy where there are none. Values keep their numbers. */
facet_status facet_channels_remove(const facet_network *network, facet_network **smaller);
/* What a mask of the network, applied to it, is in the network without them. Caller destroys. */
facet_status facet_channels_cut_mask(const facet_network *network, const facet_mask *mask, facet_mask **cut);

FACET_END

#endif
