/* How long a step of parametric t-SNE takes: forward, loss and gradient, backward, Adam, of one batch of random
 * numbers.
 *
 *   bench_embed N INPUTS SIZE...     (under mpirun; prints seconds of a step: the best of some, and the parts of it)
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed/encoder.h"
#include "embed/tsne_step.h"
#include "ranks/agree.h"

enum { MOST_LAYERS = 8, STEPS = 7 };

typedef struct {
  double forward, loss, backward, move;
} parts;

static facet_status step(facet_encoder *e, const facet_blockmatrix *x, const facet_affinity *p, int dimensions,
                         double *y, double *dy, parts *t)
{
  double norm, at[5];
  facet_tsne_gradient g = {.y = dy};
  MPI_Comm comm = facet_grid_comm(x->grid);
  MPI_Barrier(comm);
  at[0] = facet_seconds();
  FACET_TRY(facet_encoder_forward(e, x, y));
  at[1] = facet_seconds();
  FACET_TRY(facet_tsne_step(p, dimensions, y, 1, false, 1, &g));
  at[2] = facet_seconds();
  FACET_TRY(facet_encoder_backward(e, dy, &norm));
  at[3] = facet_seconds();
  facet_encoder_move(e, (facet_encoder_step){.optimizer = FACET_ADAM, .rate = 1e-3});
  MPI_Barrier(comm);
  at[4] = facet_seconds();
  *t = (parts){at[1] - at[0], at[2] - at[1], at[3] - at[2], at[4] - at[3]};
  return FACET_OK;
}

static facet_status bench(int64_t n, int layers, const int64_t *size)
{
  facet_encoder_shape shape = {.real = FACET_F32, .layers = layers};
  facet_grid *grid;
  facet_encoder *e;
  facet_blockmatrix *x;
  facet_affinity p;
  double *y, *dy, least = INFINITY, made;
  parts t, best = {0};
  int rank = facet_rank(MPI_COMM_WORLD), ranks = facet_ranks(MPI_COMM_WORLD);
  FACET_TRY(facet_grid_create(MPI_COMM_WORLD, ranks, 1, &grid));
  memcpy(shape.size, size, (size_t)(layers + 1) * sizeof *size);
  FACET_TRY(facet_encoder_create(grid, &shape, 1, &e));
  FACET_TRY(facet_encoder_input(e, n, &x));
  for (int64_t i = 0; i < x->local_rows * x->local_columns; i++)
    ((float *)x->local)[i] = (float)facet_random_uniform((facet_random){1, 1}, (uint64_t)rank, (uint64_t)i);
  FACET_NEW(y, n * size[layers]);
  FACET_NEW(dy, n * size[layers]);
  made = facet_seconds();
  FACET_TRY(facet_affinity_make(x, 30, &p));
  made = facet_seconds() - made;
  for (int i = 0; i < STEPS; i++) {
    FACET_TRY(step(e, x, &p, (int)size[layers], y, dy, &t));
    double all = t.forward + t.loss + t.backward + t.move;
    if (all < least) {
      least = all;
      best = t;
    }
  }
  if (rank == 0)
    printf("{\"samples\": %lld, \"ranks\": %d, \"step\": %.4f, \"forward\": %.4f, \"loss\": %.4f, \"backward\": %.4f, "
           "\"move\": %.4f, \"probabilities\": %.3f}\n",
           (long long)n, ranks, least, best.forward, best.loss, best.backward, best.move, made);
  facet_affinity_clear(&p);
  facet_blockmatrix_destroy(&x);
  facet_encoder_destroy(&e);
  facet_grid_destroy(&grid);
  facet_free(&y);
  facet_free(&dy);
  return FACET_OK;
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  int64_t size[MOST_LAYERS + 1];
  int layers = argc - 3;
  facet_status status = FACET_OK;
  if (layers < 1 || layers > MOST_LAYERS)
    status = facet_raise(FACET_USAGE, "usage: bench_embed N INPUTS SIZE...");
  for (int i = 0; i <= layers && status == FACET_OK; i++)
    size[i] = atoll(argv[2 + i]);
  if (status == FACET_OK)
    status = bench(atoll(argv[1]), layers, size);
  if (status != FACET_OK && facet_rank(MPI_COMM_WORLD) == 0)
    fprintf(stderr, "bench_embed: %s\n", facet_message());
  MPI_Finalize();
  return (int)status;
}
