/* The processors of ranks: see levels.h. Nodes of a cluster may be of different years. */
#include "levels.h"

#include <stdio.h>
#include <string.h>

#include "agree.h"
#include "exchange.h"
#include "kernels/kernels.h"

enum { NAME = 64 };

static const char *const name[] = {"old processors", "AVX2", "AVX-512"};

/* The core that every processor of that level can run. */
static const char *core_of(facet_vectors level)
{
  return level == FACET_VECTORS_AVX512 ? "SkylakeX" : level == FACET_VECTORS_AVX2 ? "Haswell" : "Nehalem";
}

static facet_status same_blas(MPI_Comm comm, facet_vectors lowest)
{
  char first[NAME] = "";
  int other;
  (void)snprintf(first, sizeof first, "%s", facet_blas_core());
  FACET_TRY(facet_share(comm, first, NAME, "comparing processors"));
  other = strcmp(first, facet_blas_core()) != 0 ? facet_rank(comm) : 0;
  return facet_agree(comm, other == 0
                               ? FACET_OK
                               : facet_raise(FACET_BAD_INPUT,
                                             "OpenBLAS computes with its %s kernels on rank %d and with its %s "
                                             "kernels on rank 0, so that bits would depend on who computes what: "
                                             "start all ranks with OPENBLAS_CORETYPE=%s in their environment",
                                             facet_blas_core(), other, first, core_of(lowest)));
}

facet_status facet_levels_agree(MPI_Comm comm)
{
  int least = (int)facet_level(), most = least;
  FACET_TRY(facet_least(comm, &least, 1, "comparing processors"));
  FACET_TRY(facet_largest(comm, &most, 1, "comparing processors"));
  FACET_TRY(same_blas(comm, (facet_vectors)least));
  if (least == most)
    return FACET_OK;
  facet_level_limit((facet_vectors)least);
  FACET_AGREE(comm, facet_dense_limit((facet_vectors)least));
  if (facet_rank(comm) == 0)
    fprintf(stderr,
            "facet: the ranks' processors differ, so all compute with what they have in common: kernels for %s\n",
            name[least]);
  return FACET_OK;
}
