/* The arithmetic of one linear node behind a table.  Three kernel sets offer it: `reference` (plain
 * loops, float or double, the ground truth), `dense` (oneDNN, float, blocked formats) and `exact` (the reference in
 * double, with faster 3 x 3 convolutions).  What a
 * network does between its linear nodes (gates, sums, index moves, pooling) is in elementwise.h and
 * serves every set, in any layout. */
#ifndef FACET_KERNELS_H
#define FACET_KERNELS_H

#include <facet/kernels.h>

#include "base/base.h"

/* How one sample's value of `channels` x `spatial` numbers lies in memory: channels in blocks of
 * `block`, [channels/block][spatial][block], the last block padded with zeros.  block 1 is plain
 * row-major (channels first), 8 and 16 are oneDNN's nCx8c and nCx16c, block = channels is channels
 * last.  Samples follow each other. */
typedef struct {
  int64_t channels, spatial, block;
} facet_layout;

/* Elements that one sample takes, padding included. */
static inline int64_t facet_layout_size(facet_layout l)
{
  return (l.channels + l.block - 1) / l.block * l.block * l.spatial;
}

/* Where element (channel c, position s) lies. */
static inline int64_t facet_layout_at(facet_layout l, int64_t c, int64_t s)
{
  return (c / l.block) * l.spatial * l.block + s * l.block + c % l.block;
}

static inline bool facet_layout_same(facet_layout a, facet_layout b)
{
  return a.channels == b.channels && a.spatial == b.spatial &&
         (a.block == b.block || (a.spatial == 1 && a.channels % a.block == 0 && b.channels % b.block == 0));
}

enum { FACET_MAX_SPATIAL = 3 };

/* A convolution over `spatial` dimensions; spatial 0 is an inner product (all arrays unused).
 * weights: out_channels x in_channels/groups x kernel..., bias: out_channels. */
typedef struct {
  int spatial;
  int64_t in_channels, out_channels, groups;
  int64_t in[FACET_MAX_SPATIAL], out[FACET_MAX_SPATIAL], kernel[FACET_MAX_SPATIAL], stride[FACET_MAX_SPATIAL];
  int64_t dilation[FACET_MAX_SPATIAL]; /* 1 is dense */
  int64_t pad_begin[FACET_MAX_SPATIAL], pad_end[FACET_MAX_SPATIAL];
} facet_conv_shape;

typedef enum {
  FACET_FORWARD,  /* z = A u + a             */
  FACET_PULLBACK, /* g_u = A^T g_z           */
  FACET_GRADIENT  /* g_A = sum g_z u^T, g_a  */
} facet_task;

/* What a pullback can do on its way, while the numbers are at hand: gu = slope * (A^T g_z + addend), and sums. */
typedef struct {
  const void *addend; /* like gu; NULL: 0. It may be gu itself */
  const void *slope;  /* of batch / rows samples, like u: each for `rows` adjoints; NULL: 1 */
  int64_t rows;
  void *sums; /* of every adjoint g_z, over positions, by channel (padded to whole blocks); NULL: not wanted */
} facet_fusion;

enum { FACET_FUSES_SUMS = 1, FACET_FUSES_GATE = 2 /* addend and slope */ };

/* Samples or adjoints `first` to `end` - 1 of a batch. */
typedef struct {
  int64_t first, end;
} facet_part;

typedef struct facet_conv facet_conv; /* one linear node compiled for one task and batch */

struct facet_kernels {
  const char *name;
  bool blocks; /* whether training may do whole blocks of a network as one: block.h */
  bool (*offers)(facet_type real);
  /* The block that this set likes best for a value of so many channels at convolutions (1 for inner products). */
  int64_t (*block)(int64_t channels);
  /* Compiles. `in` and `out` are the layouts of u and z (and of their adjoints): the kernel works with them, at the
   * price of a reorder of its own where it has to. FACET_BAD_INPUT if the shape is not offered. Caller destroys. */
  facet_status (*conv_create)(const facet_conv_shape *shape, facet_type real, facet_task task, int64_t batch,
                              facet_layout in, facet_layout out, facet_conv **conv);
  /* Takes weights and bias (bias may be NULL) in plain order, copying and reordering once. `real` type of the conv. */
  facet_status (*conv_weights)(facet_conv *conv, const void *weights, const void *bias);
  facet_status (*conv_forward)(facet_conv *conv, const void *u, void *z);    /* FACET_FORWARD */
  facet_status (*conv_pullback)(facet_conv *conv, const void *gz, void *gu); /* FACET_PULLBACK; overwrites gu */
  /* What of facet_fusion a pullback offers (FACET_FUSES_...), and a pullback with that. */
  int (*conv_fuses)(const facet_conv *conv);
  facet_status (*conv_pullback_with)(facet_conv *conv, const void *gz, const facet_fusion *with, void *gu);
  /* FACET_GRADIENT: overwrites gw (plain order) and gb (or NULL), summed over the batch. */
  facet_status (*conv_gradient)(facet_conv *conv, const void *u, const void *gz, void *gw, void *gb);
  void (*conv_destroy)(facet_conv **conv);
};

extern const facet_kernels facet_kernels_reference;
extern const facet_kernels facet_kernels_dense;
/* The reference kernels in double, with a faster algorithm for the forward pass where there is one (winograd.h). */
extern const facet_kernels facet_kernels_exact;

/* As facet_kernels_threads was told. */
int facet_kernels_thread_count(void);

/* ---- OpenBLAS's kernels (blas_core.c) ---- */

/* How wide vectors the processor can compute with; OLD: less than AVX2, or another architecture. */
typedef enum { FACET_VECTORS_OLD, FACET_VECTORS_AVX2, FACET_VECTORS_AVX512 } facet_vectors;

facet_vectors facet_processor_vectors(void);
/* That of our own kernels, where they are compiled for several: the processor's, or what ONEDNN_MAX_CPU_ISA (or
 * DNNL_MAX_CPU_ISA) allows. Its name: "AVX2"; a build for one kind of processor says so instead. */
facet_vectors facet_level(void);
const char *facet_level_name(void);
/* From now on that is at most this one: to be called before anything is computed. Not thread-safe. */
void facet_level_limit(facet_vectors most);
/* The same of oneDNN, which may be told once. FACET_INTERNAL: too late. */
facet_status facet_dense_limit(facet_vectors most);
/* The core whose kernels such a processor should run where OpenBLAS has chosen `core`; NULL: `core`. */
const char *facet_blas_core_better(const char *core, facet_vectors can);
/* Starts this program again, with the same arguments, if OpenBLAS should have chosen a better core, and tells it so by
 * the environment; then it does not return. A user's own OPENBLAS_CORETYPE stands. Before MPI begins. */
void facet_blas_core_fit(char **arguments);
/* What OpenBLAS had chosen, where facet told it better; NULL: it was not told. */
const char *facet_blas_core_before(void);
/* Lets OpenBLAS map its buffer, which it keeps: later, where a limit on address space left no room, it would ask for it
 * again and again, for ever. FACET_OS. */
facet_status facet_blas_begin(void);

/* Raises FACET_BAD_INPUT unless the shape makes sense and the layouts of u and z fit it. */
facet_status facet_conv_check(const facet_conv_shape *shape, int64_t batch, facet_layout in, facet_layout out);
/* The same convolution over so many axes, of which there are enough: those that it lacks come first, and are 1 long. */
facet_conv_shape facet_conv_over(const facet_conv_shape *shape, int axes);

#endif
