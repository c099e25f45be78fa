/* What is computed over all samples together: see aggregate.h. */
#include "aggregate.h"

#include "cka.h"
#include "ranks/agree.h"
#include "spectra.h"

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

static facet_spectrum_method choose(facet_spectrum_method asked, int64_t inputs, int64_t rows)
{
  if (asked != FACET_SPECTRUM_AUTO)
    return asked;
  if (inputs <= FACET_LARGEST_GRAM)
    return FACET_SPECTRUM_GRAM;
  return rows <= FACET_LARGEST_GRAM ? FACET_SPECTRUM_DUAL : FACET_SPECTRUM_RANDOM;
}

facet_status facet_aggregate_plan(const facet_study *study, facet_store_plan *p)
{
  const facet_aggregation *a = &study->aggregate;
  int64_t inputs = p->channels * p->height * p->width, rows = p->linear_samples * p->linear_rows;
  p->components = least(a->spectrum, least(inputs, rows));
  p->spectrum_method = choose(a->method, inputs, rows);
  int64_t order = p->spectrum_method == FACET_SPECTRUM_GRAM ? inputs : rows;
  FACET_CHECK(p->components == 0 || p->spectrum_method == FACET_SPECTRUM_RANDOM || order <= FACET_LARGEST_ASKED,
              FACET_BAD_INPUT, "%s:%d: aggregate.method: %s makes a matrix of %lld x %lld; at most %d x %d are made",
              study->settings.file, a->line, facet_spectrum_name(p->spectrum_method), (long long)order,
              (long long)order, FACET_LARGEST_ASKED, FACET_LARGEST_ASKED);
  return FACET_OK;
}

facet_status facet_aggregate(MPI_Comm comm, const facet_plan *plan, const facet_study_data *data,
                             const facet_family *family, facet_store *store)
{
  if (plan->store.components > 0)
    FACET_TRY(facet_spectra(comm, &plan->store, store));
  if (facet_store_cka_items(&plan->store) > 0)
    FACET_TRY(facet_cka(comm, plan, data, family, store));
  return FACET_OK;
}

double facet_aggregate_memory(const facet_plan *plan, const facet_family *family, int ranks)
{
  double spectra = facet_spectra_memory(&plan->store, ranks), cka = facet_cka_memory(plan, family, ranks);
  return spectra > cka ? spectra : cka;
}

double facet_aggregate_work(const facet_plan *plan, const facet_family *family)
{
  return facet_spectra_work(&plan->store) + facet_cka_work(plan, family);
}
