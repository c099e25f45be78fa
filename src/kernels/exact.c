/* The exact kernels: what settles in double where float is unsure, and what follows paths.  The reference kernels, but
 * for convolutions: 3x3 ones, and their pullbacks, Winograd's algorithm in double does several times faster, to 1e-15,
 * and those with few weights go forward by these alone. */
#include "sparse.h"
#include "winograd.h"

struct facet_conv {
  facet_conv *plain; /* by the reference kernels; or */
  facet_winograd *winograd;
  facet_sparse *sparse; /* in place of either, where so few weights are not 0 that it is ... */
  bool sparse_worth;    /* ... worth it */
  unsigned char *scratch;
  int64_t batch;
};

static void exact_destroy(facet_conv **conv)
{
  facet_conv *c = *conv;
  if (!c)
    return;
  facet_kernels_reference.conv_destroy(&c->plain);
  facet_winograd_destroy(&c->winograd);
  facet_sparse_destroy(&c->sparse);
  facet_free(&c->scratch);
  facet_free(conv);
}

static bool exact_offers(facet_type real)
{
  return real == FACET_F64;
}

static int64_t exact_block(int64_t channels)
{
  return facet_kernels_reference.block(channels);
}

static facet_status exact_create(const facet_conv_shape *shape, facet_type real, facet_task task, int64_t batch,
                                 facet_layout in, facet_layout out, facet_conv **conv)
{
  facet_status status = FACET_OK;
  facet_conv *c = NULL;
  FACET_CHECK(exact_offers(real), FACET_BAD_INPUT, "exact kernels: only double is offered");
  FACET_TRY(facet_conv_check(shape, batch, in, out));
  FACET_NEW(c, 1);
  c->batch = batch;
  size_t bytes = 0;
  if (task == FACET_FORWARD && facet_sparse_fits(shape, in, out)) {
    FACET_GO(failed, status, facet_sparse_create(shape, real, task, in, out, &c->sparse));
    bytes = facet_sparse_scratch(c->sparse);
  }
  if (task != FACET_GRADIENT && facet_winograd_fits(shape, in, out)) {
    FACET_GO(failed, status, facet_winograd_create(shape, real, task, in, out, &c->winograd));
    bytes = bytes > facet_winograd_scratch(c->winograd) ? bytes : facet_winograd_scratch(c->winograd);
  } else {
    FACET_GO(failed, status, facet_kernels_reference.conv_create(shape, real, task, batch, in, out, &c->plain));
  }
  FACET_NEW_GO(failed, status, c->scratch, bytes);
  *conv = c;
  return FACET_OK;
failed:
  exact_destroy(&c);
  return status;
}

static facet_status exact_weights(facet_conv *c, const void *weights, const void *bias)
{
  c->sparse_worth = c->sparse && facet_sparse_worth(c->sparse, weights);
  if (c->sparse_worth)
    return facet_sparse_weights(c->sparse, weights, bias);
  if (!c->winograd)
    return facet_kernels_reference.conv_weights(c->plain, weights, bias);
  facet_winograd_weights(c->winograd, weights, bias);
  return FACET_OK;
}

static facet_status exact_forward(facet_conv *c, const void *u, void *z)
{
  const facet_part all = {0, c->batch};
  if (!c->winograd && !c->sparse_worth)
    return facet_kernels_reference.conv_forward(c->plain, u, z);
  if (c->sparse_worth)
    facet_sparse_run(c->sparse, all, c->scratch, u, NULL, z);
  else
    facet_winograd_run(c->winograd, all, c->scratch, u, NULL, z);
  return FACET_OK;
}

static facet_status exact_pullback(facet_conv *c, const void *gz, void *gu)
{
  const facet_part all = {0, c->batch};
  if (!c->winograd)
    return facet_kernels_reference.conv_pullback(c->plain, gz, gu);
  facet_winograd_run(c->winograd, all, c->scratch, gz, NULL, gu);
  return FACET_OK;
}

static int exact_fuses(const facet_conv *c)
{
  return c->plain ? facet_kernels_reference.conv_fuses(c->plain) : 0;
}

static facet_status exact_pullback_with(facet_conv *c, const void *gz, const facet_fusion *with, void *gu)
{
  FACET_CHECK(c->plain, FACET_INTERNAL, "exact kernels: not compiled for pullback");
  return facet_kernels_reference.conv_pullback_with(c->plain, gz, with, gu);
}

static facet_status exact_gradient(facet_conv *c, const void *u, const void *gz, void *gw, void *gb)
{
  FACET_CHECK(c->plain, FACET_INTERNAL, "exact kernels: not compiled for the gradient");
  return facet_kernels_reference.conv_gradient(c->plain, u, gz, gw, gb);
}

const facet_kernels facet_kernels_exact = {
    .name = "exact",
    .offers = exact_offers,
    .block = exact_block,
    .conv_create = exact_create,
    .conv_weights = exact_weights,
    .conv_forward = exact_forward,
    .conv_pullback = exact_pullback,
    .conv_fuses = exact_fuses,
    .conv_pullback_with = exact_pullback_with,
    .conv_gradient = exact_gradient,
    .conv_destroy = exact_destroy,
};
