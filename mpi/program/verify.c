/* `facet verify`: a result file, and the networks beside it, held against their checksums; and what again.c does. */
#include <stdio.h>

#include "ranks/agree.h"
#include "ranks/levels.h"
#include "session.h"
#include "stages/stage.h"
#include "verify.h"

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
  const char *path = call->file[0];
  facet_store_verified found;
  int64_t bad = 0;
  FACET_TRY(facet_levels_agree(comm));
  FACET_CHECK(call->seed < 0 || call->tiles > 0, FACET_USAGE, "--seed picks tiles: say how many, by --tiles");
  facet_session_phase(comm, "holding checksums against the data");
  FACET_TRY(facet_verify_store(comm, path, true, &found));
  FACET_CHECK(found.bad == 0, FACET_BAD_INPUT,
              "%s: of %lld parts, %lld networks and %lld files beside them %lld %s not hold", path,
              (long long)found.parts, (long long)found.networks, (long long)found.files, (long long)found.bad,
              found.bad == 1 ? "does" : "do");
  if (facet_rank(comm) == 0)
    printf("%s: %lld parts, %lld networks and %lld files beside them hold their checksums%s\n", path,
           (long long)found.parts, (long long)found.networks, (long long)found.files,
           found.missing > 0 ? "; it is not finished" : "");
  if (call->tiles >= 0 || call->data)
    FACET_TRY(facet_verify_again(comm, call, &bad));
  FACET_CHECK(bad == 0, FACET_BAD_INPUT,
              "%s: %lld of its data sets, tiles and stages of which parts were computed again are others", path,
              (long long)bad);
  return FACET_OK;
}
