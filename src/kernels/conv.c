/* What is true of a linear node whatever computes it: its shape makes sense and its layouts fit; and over more axes. */
#include "kernels.h"

static facet_status check_dimension(const facet_conv_shape *s, int d)
{
  FACET_CHECK(s->in[d] > 0 && s->out[d] > 0 && s->kernel[d] > 0 && s->stride[d] > 0 && s->dilation[d] > 0 &&
                  s->pad_begin[d] >= 0 && s->pad_end[d] >= 0,
              FACET_BAD_INPUT, "convolution: dimension %d has a size, stride, dilation or padding that cannot be", d);
  int64_t reach = s->in[d] + s->pad_begin[d] + s->pad_end[d] - (s->kernel[d] - 1) * s->dilation[d] - 1;
  FACET_CHECK(reach >= 0 && reach / s->stride[d] + 1 == s->out[d], FACET_BAD_INPUT,
              "convolution: dimension %d of %lld positions cannot give %lld", d, (long long)s->in[d],
              (long long)s->out[d]);
  return FACET_OK;
}

facet_status facet_conv_check(const facet_conv_shape *s, int64_t batch, facet_layout in, facet_layout out)
{
  FACET_CHECK(batch > 0 && s->spatial >= 0 && s->spatial <= FACET_MAX_SPATIAL && s->in_channels > 0 &&
                  s->out_channels > 0 && in.block > 0 && out.block > 0,
              FACET_BAD_INPUT, "linear node: a size is not positive");
  if (s->spatial == 0) {
    FACET_CHECK(in.channels * in.spatial == s->in_channels && out.channels * out.spatial == s->out_channels,
                FACET_BAD_INPUT, "inner product of %lld x %lld does not fit its layouts", (long long)s->out_channels,
                (long long)s->in_channels);
    return FACET_OK;
  }
  FACET_CHECK(s->groups > 0 && s->in_channels % s->groups == 0 && s->out_channels % s->groups == 0, FACET_BAD_INPUT,
              "convolution: %lld groups do not divide %lld and %lld channels", (long long)s->groups,
              (long long)s->in_channels, (long long)s->out_channels);
  int64_t in_positions = 1, out_positions = 1;
  for (int d = 0; d < s->spatial; d++) {
    FACET_TRY(check_dimension(s, d));
    in_positions *= s->in[d];
    out_positions *= s->out[d];
  }
  FACET_CHECK(in.channels == s->in_channels && in.spatial == in_positions && out.channels == s->out_channels &&
                  out.spatial == out_positions,
              FACET_BAD_INPUT, "convolution: layouts do not fit the shape");
  return FACET_OK;
}

facet_conv_shape facet_conv_over(const facet_conv_shape *shape, int axes)
{
  facet_conv_shape s = *shape;
  s.spatial = axes;
  for (int a = 0; a < axes; a++) {
    int own = a - (axes - shape->spatial);
    s.in[a] = own < 0 ? 1 : shape->in[own];
    s.out[a] = own < 0 ? 1 : shape->out[own];
    s.kernel[a] = own < 0 ? 1 : shape->kernel[own];
    s.stride[a] = own < 0 ? 1 : shape->stride[own];
    s.dilation[a] = own < 0 ? 1 : shape->dilation[own];
    s.pad_begin[a] = own < 0 ? 0 : shape->pad_begin[own];
    s.pad_end[a] = own < 0 ? 0 : shape->pad_end[own];
  }
  return s;
}
