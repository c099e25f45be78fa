/* `facet verify`: a result file, and the networks beside it, held against their checksums. */
#include <stdio.h>

#include "ranks/agree.h"
#include "session.h"
#include "stages/stage.h"

facet_status facet_verify_store(MPI_Comm comm, const char *path, bool says, facet_store_verified *found)
{
  facet_store_stage marked[FACET_MOST_STAGES];
  int count = 0;
  for (const facet_stage *const *stage = facet_stages; *stage; stage++)
    if ((*stage)->marks)
      marked[count++] = (facet_store_stage){.name = (*stage)->name, .marks = (*stage)->marks};
  return facet_store_verify(comm, path, count, marked, says, found);
}

facet_status facet_verify(const facet_call *call)
{
  MPI_Comm comm = MPI_COMM_WORLD;
  facet_store_verified found;
  FACET_TRY(facet_verify_store(comm, call->file[0], true, &found));
  FACET_CHECK(found.bad == 0, FACET_BAD_INPUT, "%s: %lld of %lld parts and %lld networks do not hold", call->file[0],
              (long long)found.bad, (long long)found.parts, (long long)found.networks);
  if (facet_rank(comm) == 0)
    printf("%s: %lld parts and %lld networks hold their checksums%s\n", call->file[0], (long long)found.parts,
           (long long)found.networks, found.missing > 0 ? "; it is not finished" : "");
  return FACET_OK;
}
