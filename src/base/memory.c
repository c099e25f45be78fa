/* Memory that is zeroed unless it is mere room, aligned for the widest vector unit, and never the product of an
 * overflow. */
#include "process_memory.h"

#include "base.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGNMENT = 64, LARGE = 1 << 20 };

static atomic_size_t in_use;
static atomic_bool measured;

void facet_memory_measured(bool begin)
{
  measured = begin;
}

static size_t rounded(size_t bytes)
{
  return bytes == 0 ? ALIGNMENT : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void *facet_allocate_room(size_t bytes)
{
  void *pointer = aligned_alloc(ALIGNMENT, rounded(bytes));
  if (pointer)
    in_use += malloc_usable_size(pointer);
  else if (bytes < LARGE)
    (void)facet_raise(FACET_OS, "out of memory: %zu bytes wanted", bytes);
  else
    (void)facet_raise(FACET_OS, "out of memory: %.1f MiB wanted", (double)bytes / 0x1p20);
  return pointer;
}

/* What is made to be measured is hardly used: its pages are given back to Linux, which hands out zeros on the first
 * touch. */
static void *zero(char *start, size_t bytes)
{
#ifdef __linux__
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (measured && bytes >= LARGE) {
    size_t before = (page - (uintptr_t)start % page) % page, whole = (bytes - before) / page * page;
    if (madvise(start + before, whole, MADV_DONTNEED) == 0) {
      memset(start, 0, before);
      memset(start + before + whole, 0, bytes - before - whole);
      return start;
    }
  }
#endif
  return memset(start, 0, bytes);
}

void *facet_allocate(size_t count, size_t size)
{
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - ALIGNMENT) {
    (void)facet_raise(FACET_OS, "out of memory: %zu elements of %zu bytes are more than there can be", count, size);
    return NULL;
  }
  void *pointer = facet_allocate_room(bytes);
  return pointer ? zero(pointer, rounded(bytes)) : NULL;
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
