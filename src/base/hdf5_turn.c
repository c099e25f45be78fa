/* The one turn for all that uses HDF5. */
#include "hdf5_turn.h"

#include <pthread.h>

static const char *volatile reads;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

void facet_hdf5_lock(void)
{
  pthread_mutex_lock(&turn);
}

void facet_hdf5_unlock(void)
{
  facet_hdf5_reads(NULL);
  pthread_mutex_unlock(&turn);
}

void facet_hdf5_reads(const char *path)
{
  reads = path;
}

const char *facet_hdf5_read(void)
{
  return reads;
}
