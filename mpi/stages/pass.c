/* Entering a variant: see pass.h. */
#include "pass.h"

facet_status facet_pass_make(const facet_network *network, facet_executor_options options, facet_pixels *pixels,
                             const facet_input_layout *input, bool exact, facet_pass *p)
{
  *p = (facet_pass){.batch = options.batch};
  FACET_TRY(facet_loader_make(pixels, input, &p->loader));
  if (options.real == FACET_F32)
    FACET_NEW(p->x, p->batch * p->loader.inputs);
  if (options.real == FACET_F64 || exact)
    FACET_NEW(p->exact, p->batch * p->loader.inputs);
  return network ? facet_executor_create(network, options, &p->executor) : FACET_OK;
}

facet_status facet_pass_make_linear(facet_pass *p, int64_t rows, int64_t chunk)
{
  facet_linearization *r = &p->linear;
  int64_t n = p->batch, numbers = n * chunk * p->loader.inputs;
  if (!(r->w = facet_allocate((size_t)numbers, p->x ? sizeof *p->x : sizeof *p->exact)))
    return FACET_OS;
  FACET_NEW(p->row, n * rows);
  FACET_NEW(r->b, n * rows);
  FACET_NEW(r->b_node, n * rows * facet_executor_constant_nodes(p->executor));
  FACET_NEW(r->residual, n);
  FACET_NEW(r->ties, n);
  return facet_executor_ready(p->executor);
}

void facet_pass_clear(facet_pass *p)
{
  facet_linearization *r = &p->linear;
  facet_executor_destroy(&p->executor);
  facet_loader_clear(&p->loader);
  FACET_FREE(&p->x, &p->exact, &p->row, &r->w, &r->b, &r->b_node, &r->residual, &r->ties);
}

const void *facet_pass_input(const facet_pass *p)
{
  return p->x ? (const void *)p->x : p->exact;
}

facet_status facet_pass_load(facet_pass *p, int condition, int64_t sample, int64_t i)
{
  int64_t at = i * p->loader.inputs;
  return facet_loader_load(&p->loader, condition, sample, p->x ? p->x + at : NULL, p->exact ? p->exact + at : NULL);
}

facet_status facet_pass_run(facet_pass *p, int condition, int64_t first, int64_t count)
{
  for (int64_t i = 0; i < count; i++)
    FACET_TRY(facet_pass_load(p, condition, first + i, i));
  return facet_executor_forward(p->executor, facet_pass_input(p), count);
}
