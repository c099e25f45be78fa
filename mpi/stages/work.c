/* Choosing what executors handle at once: see work.h.
 *
 * What an executor takes grows evenly with samples and with rows, but by how much is known to the kernels alone.  So
 * the smallest ones are made and measured, and the rest follows.  What counts is what facet allocates, not what the
 * process happens to have in memory: every rank and every later run must choose alike. */
#include "work.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/process_memory.h"
#include "kept.h"

/* Adjoints, samples times rows, that a pullback handles at once: enough to keep the kernels busy, few enough to stay in
 * cache (measured on ResNet-20). Samples that go forward at once: some lanes' full.
 * MOST_KEPT, SAMPLES_KEPT: more would not save more time. */
enum { ADJOINTS = 40, FORWARD_BATCH = 48, STEP = 1 << 16, MOST_KEPT = 128 << 20, SAMPLES_KEPT = 10000 };

/* In bytes; doubles, because what a study asks for may be more than can be counted. */
typedef struct {
  double first, sample;                /* forward: one sample, and each more */
  double row, linear_sample, more_row; /* linearizing: one sample and row; each more sample; each more adjoint */
} costs;

typedef struct {
  const facet_store_plan *plan;
  double fixed; /* whatever the executors do */
  double most;  /* of what was chosen */
} bound;

static facet_status measure(const facet_network *network, facet_executor_options options, double *bytes)
{
  facet_executor *executor = NULL;
  facet_kernels_release();
  size_t before = facet_memory_in_use();
  facet_memory_measured(true);
  facet_status status = facet_executor_create(network, options, &executor);
  if (status == FACET_OK && options.rows > 0)
    status = facet_executor_ready(executor);
  facet_memory_measured(false);
  size_t steps = (facet_memory_in_use() - before + STEP - 1) / STEP; /* the allocator rounds up a little, not evenly */
  *bytes = (double)steps * STEP;
  facet_executor_destroy(&executor);
  facet_kernels_release();
  facet_memory_trim();
  return status;
}

/* What `more` samples and rows take beyond one of each. What constants take is the same for both: they are left out,
 * for in large networks to take them in takes long. */
static facet_status measure_more(const facet_network *network, facet_executor_options one, facet_executor_options more,
                                 double *bytes)
{
  double less;
  one.blank = more.blank = true;
  FACET_TRY(measure(network, one, &less));
  FACET_TRY(measure(network, more, bytes));
  *bytes -= less;
  return FACET_OK;
}

static facet_status measure_costs(const facet_network *network, const facet_store_plan *plan, bool linear, costs *c)
{
  facet_executor_options one = {.real = plan->settings->precision, .batch = 1}, more = one;
  more.batch = 2;
  *c = (costs){0};
  FACET_TRY(measure(network, one, &c->first));
  FACET_TRY(measure_more(network, one, more, &c->sample));
  if (!linear)
    return FACET_OK;
  one.rows = 1;
  one.room = true;
  one.touched = facet_kept_touched(plan);
  FACET_TRY(measure(network, one, &c->row));
  more = one;
  more.rows = 2;
  FACET_TRY(measure_more(network, one, more, &c->more_row));
  more = one;
  more.batch = 2;
  FACET_TRY(measure_more(network, one, more, &c->linear_sample));
  c->linear_sample -= c->more_row;
  return FACET_OK;
}

/* ---- sums ---- */

static double inputs_of(const facet_store_plan *s)
{
  return (double)facet_image_inputs(s->image);
}

/* Of forward passes of `batch` samples. */
static double forward_bytes(const bound *b, const costs *c, int64_t batch)
{
  double real = (double)facet_type_size(b->plan->settings->precision), n = (double)batch;
  return c->first + c->sample * (n - 1) +
         inputs_of(b->plan) * ((sizeof(float) + real) * n + sizeof(double) + sizeof(float));
}

/* Of linearizing `batch` samples, `chunk` rows of each at once. */
static double linear_bytes(const bound *b, const costs *c, int constants, int64_t batch, int64_t chunk)
{
  double real = (double)facet_type_size(b->plan->settings->precision), n = (double)batch, d = inputs_of(b->plan);
  double executor = c->row + (c->linear_sample + c->more_row) * (n - 1) + c->more_row * n * ((double)chunk - 1);
  double k = (double)b->plan->linear_rows;
  double samples = d * ((sizeof(float) + real + sizeof(double)) * n + sizeof(double) + sizeof(float));
  return executor + samples + n * (double)chunk * d * real + n * k * (2 + constants) * sizeof(double) +
         facet_kept_bytes(b->plan, batch, chunk);
}

/* Networks, one tile's results, and labels as if they were held: what is chosen stays as it was when they were. */
static double fixed_bytes(const facet_store_plan *s, const facet_study_data *data, const facet_family *family)
{
  const facet_dataset *sets[] = {data->train, data->test};
  double bytes = FACET_PROGRAM_BYTES + (double)s->block * (double)(2 * s->classes + 6) * sizeof(double);
  for (int i = 0; i < 2; i++)
    if (sets[i])
      bytes += (double)sets[i]->count * sizeof(int32_t);
  for (int i = 0; i < family->count; i++)
    bytes += (double)facet_network_parameters(family->member[i].network) * (sizeof(float) + 1);
  return bytes;
}

/* ---- choosing ---- */

static facet_status too_little(const bound *b, const char *what, const char *name, double needed)
{
  const facet_settings *s = b->plan->settings;
  char line[20] = "";
  if (s->memory_line > 0)
    snprintf(line, sizeof line, ":%d", s->memory_line);
  return facet_raise(FACET_BAD_INPUT, "%s%s: memory: %.0f MiB for a rank, but %s%s take %.0f MiB", s->file, line,
                     (double)s->memory / 0x1p20, what, name, needed / 0x1p20);
}

/* `adjoints` as samples of a chunk of rows; chunks of much the same size. */
static void split(const facet_store_plan *s, int64_t adjoints, facet_work *work)
{
  int64_t k = s->linear_rows, most = k < adjoints ? k : adjoints, chunks = (k + most - 1) / most;
  work->linear_chunk = (k + chunks - 1) / chunks;
  work->linear_batch = adjoints / work->linear_chunk;
  work->linear_batch = work->linear_batch < 1 ? 1 : work->linear_batch < s->block ? work->linear_batch : s->block;
}

static facet_status choose(bound *b, const facet_member *m, int constants, bool linear, facet_work *work)
{
  const facet_store_plan *s = b->plan;
  double room = (double)s->settings->memory - b->fixed;
  costs c;
  *work = (facet_work){.forward_batch = s->block < FORWARD_BATCH ? s->block : FORWARD_BATCH};
  FACET_TRY(measure_costs(m->network, s, linear, &c));
  while (work->forward_batch > 1 && forward_bytes(b, &c, work->forward_batch) > room)
    work->forward_batch--;
  double needed = forward_bytes(b, &c, work->forward_batch);
  if (needed > room)
    return too_little(b, "the program, the data and one sample in ", m->variant.name, needed + b->fixed);
  b->most = fmax(b->most, needed);
  for (int64_t adjoints = ADJOINTS; linear && adjoints > 0; adjoints--) {
    split(s, adjoints, work);
    needed = linear_bytes(b, &c, constants, work->linear_batch, work->linear_chunk);
    if (needed > room)
      continue;
    b->most = fmax(b->most, needed);
    return FACET_OK;
  }
  if (linear)
    return too_little(b, "the program, the data and one row of one sample of ", m->variant.name, needed + b->fixed);
  return FACET_OK;
}

/* Pruned networks are like dense: they take what it takes. */
static bool like_dense(const facet_store_variant *v)
{
  return strcmp(v->method, "external") != 0;
}

facet_status facet_work_share(const facet_store_plan *plan, const facet_study_data *data, const facet_family *family,
                              double corrupting, facet_work *work, double *room)
{
  bound b = {.plan = plan, .fixed = fixed_bytes(plan, data, family) + corrupting};
  if (b.fixed > (double)plan->settings->memory)
    return too_little(&b, "the program, corruptions and the networks alone", "", b.fixed);
  bool linear = false;
  for (int i = 0; i < family->count; i++)
    linear = linear || (plan->variant[i].linearize && (i == 0 || like_dense(&plan->variant[i])));
  for (int i = 0; i < family->count; i++) {
    const facet_store_variant *v = &plan->variant[i];
    if (i > 0 && like_dense(v))
      work[i] = work[0];
    else
      FACET_TRY(choose(&b, &family->member[i], v->constant_nodes, i == 0 ? linear : v->linearize, &work[i]));
  }
  double most = fmin(MOST_KEPT, SAMPLES_KEPT * inputs_of(plan) * sizeof(float));
  *room = fmin((double)plan->settings->memory - b.fixed - b.most, most);
  return FACET_OK;
}
