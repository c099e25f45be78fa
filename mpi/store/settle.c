/* Making what was put durable, beside computing: a thread that does nothing but wait for the disk. It calls neither MPI
 * nor HDF5, and takes no signals. What is put while it waits is none of what it has made durable. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "ranks/profile.h"
#include "store_file.h"

enum { STACK = 1 << 18 };

struct facet_settling {
  pthread_t thread;
  int file, failed; /* failed: an errno */
  atomic_bool over;
};

static void *settle(void *self)
{
  struct facet_settling *s = self;
  s->failed = fdatasync(s->file) == 0 ? 0 : errno;
  atomic_store(&s->over, true);
  return NULL;
}

static int start(struct facet_settling *s)
{
  pthread_attr_t attributes;
  sigset_t all, before;
  int failed = pthread_attr_init(&attributes);
  if (failed)
    return failed;
  (void)pthread_attr_setstacksize(&attributes, STACK);
  sigfillset(&all);
  failed = pthread_sigmask(SIG_SETMASK, &all, &before);
  if (!failed) {
    failed = pthread_create(&s->thread, &attributes, settle, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  }
  (void)pthread_attr_destroy(&attributes);
  return failed;
}

facet_status facet_store_settle_begin(facet_store *store)
{
  struct facet_settling *s;
  FACET_CHECK(!store->settling, FACET_INTERNAL, "%s: is being synced already", store->path);
  if (store->again) /* nothing is written */
    return FACET_OK;
  FACET_TRY(facet_store_synced(store, 0));
  store->unsettled = 0;
  FACET_NEW(s, 1);
  s->file = store->raw;
  atomic_init(&s->over, false);
  if (start(s) != 0) { /* then at once */
    facet_free(&s);
    return facet_store_settle(store);
  }
  store->settling = s;
  return FACET_OK;
}

int64_t facet_store_unsettled(const facet_store *store)
{
  return store->unsettled;
}

bool facet_store_settle_over(const facet_store *store)
{
  return !store->settling || atomic_load(&store->settling->over);
}

facet_status facet_store_settle_end(facet_store *store)
{
  struct facet_settling *s = store->settling;
  if (!s)
    return facet_store_synced(store, 0);
  double begun = facet_seconds();
  (void)pthread_join(s->thread, NULL);
  facet_profile_stored(facet_seconds() - begun);
  int failed = s->failed;
  facet_free(&store->settling);
  return facet_store_synced(store, failed);
}
