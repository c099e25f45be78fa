/* One step of a parametric t-SNE on numbers from a file, under mpirun, for comparing with other programs.
 *
 *   tsne FILE N INPUTS PERPLEXITY ALPHA REAL SIZE...
 *
 * FILE holds N x INPUTS doubles. Writes FILE.p (N x N), FILE.before and FILE.gradients (parameters, layer after layer:
 * weights by rows, biases), FILE.y (positions before), FILE.after (parameters after a move by Adam, rate 0.001), all
 * in double; prints loss, dC/dalpha and the norm of the gradient. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed/encoder.h"
#include "embed/tsne_step.h"
#include "ranks/agree.h"

static int rank;

static facet_status save(const char *file, const char *ending, const double *data, int64_t count)
{
  char *path = facet_format("%s.%s", file, ending);
  facet_status status = rank == 0 && path ? facet_write_file(path, data, (size_t)count * sizeof *data)
                        : path            ? FACET_OK
                                          : FACET_OS;
  facet_free(&path);
  return status;
}

static facet_status save_p(const char *file, const facet_blockmatrix *p)
{
  double *all;
  FACET_NEW(all, p->rows * p->rows);
  FACET_TRY(facet_blockmatrix_gather(p, 0, p->rows, all));
  FACET_TRY(save(file, "p", all, p->rows * p->rows));
  facet_free(&all);
  return FACET_OK;
}

static facet_status step(const char *file, int64_t n, double perplexity, double alpha, facet_encoder *e, int dimensions,
                         const facet_blockmatrix *x)
{
  facet_affinity affinity;
  double *y, *before, *after, norm;
  facet_tsne_gradient g;
  int64_t size = facet_encoder_state_size(e), count = size / 3; /* parameters, velocity or moments, moves */
  FACET_NEW(y, n * dimensions);
  FACET_NEW(g.y, n * dimensions);
  FACET_NEW(before, size);
  FACET_NEW(after, size);
  FACET_TRY(facet_affinity_make(x, perplexity, &affinity));
  FACET_TRY(save_p(file, affinity.p));
  FACET_TRY(facet_encoder_save(e, before));
  FACET_TRY(save(file, "before", before, count));
  FACET_TRY(facet_encoder_forward(e, x, y));
  FACET_TRY(save(file, "y", y, n * dimensions));
  FACET_TRY(facet_tsne_step(&affinity, dimensions, y, alpha, true, 1, &g));
  FACET_TRY(facet_encoder_backward(e, g.y, &norm));
  facet_encoder_move(e, (facet_encoder_step){.optimizer = FACET_MOMENTUM}); /* the velocity becomes the gradients */
  FACET_TRY(facet_encoder_save(e, after));
  FACET_TRY(save(file, "gradients", after + count, count));
  facet_encoder_load(e, before);
  facet_encoder_move(e, (facet_encoder_step){.optimizer = FACET_ADAM, .rate = 0.001});
  FACET_TRY(facet_encoder_save(e, after));
  FACET_TRY(save(file, "after", after, count));
  if (rank == 0)
    printf("%.17g %.17g %.17g\n", g.loss, g.alpha, norm);
  facet_affinity_clear(&affinity);
  facet_free(&y);
  facet_free(&g.y);
  facet_free(&before);
  facet_free(&after);
  return FACET_OK;
}

static facet_status run(int argc, char **argv)
{
  int64_t n = atoll(argv[2]);
  int layers = argc - 7;
  facet_encoder_shape shape = {strcmp(argv[6], "float") == 0 ? FACET_F32 : FACET_F64, layers, {atoll(argv[3])}};
  int64_t *size = shape.size;
  uint8_t *bytes;
  size_t count;
  facet_grid *grid;
  facet_encoder *e;
  facet_blockmatrix *x;
  FACET_CHECK(layers >= 1 && layers <= FACET_ENCODER_LAYERS, FACET_USAGE, "layers");
  for (int i = 0; i < layers; i++)
    size[i + 1] = atoll(argv[7 + i]);
  FACET_TRY(facet_read_file(argv[1], &bytes, &count));
  FACET_CHECK(count == (size_t)(n * size[0]) * sizeof(double), FACET_BAD_INPUT, "%s: another size", argv[1]);
  FACET_TRY(facet_grid_create(MPI_COMM_WORLD, facet_ranks(MPI_COMM_WORLD), 1, &grid));
  FACET_TRY(facet_encoder_create(grid, &shape, 1, &e));
  FACET_TRY(facet_encoder_input(e, n, &x));
  facet_blockmatrix_fill(x, (const double *)(const void *)bytes);
  FACET_TRY(step(argv[1], n, atof(argv[4]), atof(argv[5]), e, (int)size[layers], x));
  facet_blockmatrix_destroy(&x);
  facet_encoder_destroy(&e);
  facet_grid_destroy(&grid);
  facet_free(&bytes);
  return FACET_OK;
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  rank = facet_rank(MPI_COMM_WORLD);
  facet_status status = argc < 8 ? facet_raise(FACET_USAGE, "usage") : run(argc, argv);
  if (status != FACET_OK && rank == 0)
    fprintf(stderr, "tsne: %s\n", facet_message());
  MPI_Finalize();
  return (int)status;
}
