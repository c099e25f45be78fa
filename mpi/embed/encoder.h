/* The encoder of a parametric t-SNE: a ReLU network whose products are those of distributed matrices.  Samples are
 * split by rows over a line of ranks, and so are the weights' inputs.
 *
 * Everything is collective over the grid's communicator unless it says otherwise. */
#ifndef FACET_ENCODER_H
#define FACET_ENCODER_H

#include "matrix/blockmatrix.h"

typedef struct facet_encoder facet_encoder;

enum { FACET_ENCODER_LAYERS = 17 }; /* at most */

typedef struct {
  facet_type real;
  int layers;
  int64_t size[FACET_ENCODER_LAYERS + 1]; /* inputs, hidden units, ..., dimensions: layers + 1 of them */
} facet_encoder_shape;

typedef enum { FACET_ADAM, FACET_MOMENTUM } facet_optimizer;

/* How parameters move: Adam (Kingma & Ba 2015; 0.9, 0.999, 1e-8), or v = momentum v + gradient, p -= rate v. */
typedef struct {
  facet_optimizer optimizer;
  double rate, momentum;
} facet_encoder_step;

/* ReLU after all layers but the last. Weights normal with deviation sqrt(2 / inputs) (He et al. 2015), of the last
 * layer a tenth of that, biases 0: from (seed, layer, element) alone. grid: ranks x 1, borrowed. */
facet_status facet_encoder_create(facet_grid *grid, const facet_encoder_shape *shape, uint32_t seed,
                                  facet_encoder **encoder);
void facet_encoder_destroy(facet_encoder **encoder);

/* A matrix for n samples as the encoder takes them: n x inputs, this rank's samples in one piece. Caller destroys. */
facet_status facet_encoder_input(const facet_encoder *encoder, int64_t n, facet_blockmatrix **x);
/* Gaussian noise on what goes in. A number belongs to (random, sample, visit) and its column, not to a rank. */
typedef struct {
  facet_random random;
  double deviation;
  int64_t visit;
  const int64_t *sample; /* the number of the sample in each of this rank's rows */
} facet_encoder_noise;
/* out = x + noise, of the same shape. Not collective. */
void facet_encoder_blur(const facet_blockmatrix *x, const facet_encoder_noise *noise, facet_blockmatrix *out);
/* y: n x dimensions by rows, on every rank. x is borrowed until the pass backward. */
facet_status facet_encoder_forward(facet_encoder *encoder, const facet_blockmatrix *x, double *y);
/* Of the last forward pass; dy: n x dimensions by rows, of which this rank's own samples count. norm: of all gradients
 * together. */
facet_status facet_encoder_backward(facet_encoder *encoder, const double *dy, double *norm);
/* Moves the parameters by the gradients of the last pass backward. Not collective. */
void facet_encoder_move(facet_encoder *encoder, facet_encoder_step step);

double facet_encoder_parameters(const facet_encoder_shape *shape); /* how many numbers */
/* Bytes that a rank of `ranks` takes, at most, for an encoder of this shape, and for the passes of n samples without
 * what goes in. Not collective. */
double facet_encoder_bytes(int ranks, const facet_encoder_shape *shape);
double facet_encoder_pass_bytes(int ranks, const facet_encoder_shape *shape, int64_t n);
/* The whole state, for going on later: parameters, both moments (each weights, inputs x outputs by rows, and biases of
 * layer after layer), and the number of moves. That many doubles, on every
 * rank; the same bits come back on the same grid. */
int64_t facet_encoder_state_size(const facet_encoder *encoder);
facet_status facet_encoder_save(const facet_encoder *encoder, double *state);
void facet_encoder_load(facet_encoder *encoder, const double *state);

#endif
