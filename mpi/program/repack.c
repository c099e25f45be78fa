/* `facet repack`: a finished study's file compressed in place, while no run is at work on it. */
#include <stdio.h>

#include "commands.h"
#include "lock.h"
#include "ranks/agree.h"
#include "store/store.h"

facet_status facet_repack(const facet_call *call)
{
  const char *path = call->file[0];
  int64_t before, after;
  facet_lock lock = {.file = -1};
  FACET_CHECK(facet_exists(path), FACET_NO_INPUT, "%s: No such file or directory", path);
  FACET_TRY(facet_interrupt_listen(MPI_COMM_NULL));
  char *folder = facet_path_beside(path, ".");
  facet_status status = folder ? facet_lock_take(folder, &lock) : FACET_OS; /* no run may begin meanwhile */
  if (status == FACET_OK)
    status = facet_store_repack(path, &before, &after);
  facet_lock_release(&lock);
  facet_free(&folder);
  FACET_CHECK(status != FACET_INTERRUPTED, FACET_INTERRUPTED, "%s: interrupted; the file stays as it was", path);
  FACET_TRY(status);
  printf("%s: %.3g MiB became %.3g MiB\n", path, (double)before / 0x1p20, (double)after / 0x1p20);
  return FACET_OK;
}
