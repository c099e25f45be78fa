/* Memory that is zeroed, aligned for the widest vector unit, and never the product of an overflow. */
#include "base.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static atomic_size_t in_use;

void *facet_allocate(size_t count, size_t size)
{
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - ALIGNMENT) {
    (void)facet_raise(FACET_OS, "out of memory: %zu elements of %zu bytes are more than there can be", count, size);
    return NULL;
  }
  size_t rounded = bytes == 0 ? ALIGNMENT : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  void *pointer = aligned_alloc(ALIGNMENT, rounded);
  if (!pointer) {
    (void)facet_raise(FACET_OS, "out of memory: %.1f MiB wanted", (double)bytes / 1048576.0);
    return NULL;
  }
  in_use += malloc_usable_size(pointer);
  return memset(pointer, 0, rounded);
}

facet_status facet_grow(void *pointer_to_pointer, size_t old, size_t count, size_t size)
{
  void *present = NULL;
  memcpy(&present, pointer_to_pointer, sizeof present);
  void *grown = facet_allocate(count, size);
  if (!grown)
    return FACET_OS;
  size_t kept = old < count ? old : count;
  if (present && kept > 0)
    memcpy(grown, present, kept * size);
  facet_free(&present);
  memcpy(pointer_to_pointer, &grown, sizeof grown);
  return FACET_OK;
}

void facet_free(void *pointer_to_pointer)
{
  void *present = NULL;
  memcpy(&present, pointer_to_pointer, sizeof present);
  in_use -= malloc_usable_size(present);
  free(present);
  present = NULL;
  memcpy(pointer_to_pointer, &present, sizeof present);
}

void facet_free_list(void *pointer_to_list, int64_t count)
{
  void **list = NULL;
  memcpy(&list, pointer_to_list, sizeof list);
  for (int64_t i = 0; list && i < count; i++)
    facet_free(&list[i]);
  facet_free(pointer_to_list);
}

size_t facet_memory_in_use(void)
{
  return in_use;
}

size_t facet_type_size(facet_type type)
{
  return type == FACET_F32 ? sizeof(float) : sizeof(double);
}
