/* Figures of merit of an embedding as text, to be compared with another program's (tests/study/test_quality.py).
 *
 *   quality X.npy Y.npy LABELS.npy NEIGHBOURS REFERENCES
 *
 * X: N x D, Y: N x dimensions, both float.  Prints trustworthiness and continuity of all samples, and how many have
 * another label than their nearest neighbour: those behind the first REFERENCES, among these; and all, among the
 * others. */
#include <stdio.h>
#include <stdlib.h>

#include "embed/quality.h"
#include "rooms.h"

static facet_status read_floats(char *path, char *labels, facet_dataset **data)
{
  facet_data_source source = {
      .format = facet_data_format_find("npy"), .files = 1, .images = &path, .labels = labels ? &labels : NULL};
  FACET_TRY(facet_dataset_open(&source, data));
  FACET_CHECK((*data)->is_float, FACET_BAD_INPUT, "%s: not float", path);
  return FACET_OK;
}

static facet_status show(const facet_dataset *x, const facet_dataset *places, int64_t neighbours, int64_t references)
{
  int64_t n = x->count, dimensions = places->image.width;
  float *place = NULL, *pixel = NULL;
  facet_rank_penalties penalties = {0, 0};
  facet_nearest_errors behind = {0, 0}, all = {0, 0};
  facet_status status;
  facet_ranking *ranking = NULL;
  double *y = NULL;
  int32_t *label = NULL;
  FACET_CHECK(places->count == n && references <= n, FACET_BAD_INPUT, "not as many positions as samples");
  FACET_NEW_GO(out, status, y, n * dimensions);
  FACET_NEW_GO(out, status, place, n * dimensions);
  FACET_NEW_GO(out, status, pixel, n * x->image.width);
  FACET_NEW_GO(out, status, label, n);
  FACET_GO(out, status, facet_dataset_labels(x, 0, n, label));
  FACET_GO(out, status, facet_dataset_pixels(places, 0, n, place));
  FACET_GO(out, status, facet_dataset_pixels(x, 0, n, pixel));
  for (int64_t i = 0; i < n * dimensions; i++)
    y[i] = place[i];
  facet_embedded embedded = {n, x->image.width, dimensions, {.held = pixel}, {.held = y}, neighbours};
  facet_labelled held_out = {dimensions,
                             references,
                             n - references,
                             {.held = y},
                             {.held = y + references * dimensions},
                             {.held = label},
                             {.held = label + references},
                             false};
  facet_labelled others = {dimensions, n, n, {.held = y}, {.held = y}, {.held = label}, {.held = label}, true};
  FACET_GO(out, status, facet_ranking_create(&embedded, &ranking));
  FACET_GO(out, status, facet_rank_penalties_add(ranking, 0, n, &penalties));
  FACET_GO(out, status, facet_nearest_errors_add(&held_out, 0, n - references, &behind));
  FACET_GO(out, status, facet_nearest_errors_add(&others, 0, n, &all));
  printf("%.17g %.17g %lld %lld\n", facet_rank_quality(n, neighbours, penalties.trustworthiness),
         facet_rank_quality(n, neighbours, penalties.continuity), (long long)behind.wrong, (long long)all.wrong);
out:
  facet_ranking_destroy(&ranking);
  FACET_FREE(&y, &place, &pixel, &label);
  return status;
}

int main(int count, char **argument)
{
  facet_dataset *x = NULL, *y = NULL;
  facet_status status =
      count == 6 ? FACET_OK : facet_raise(FACET_USAGE, "quality X.npy Y.npy LABELS.npy NEIGHBOURS REFERENCES");
  if (status == FACET_OK)
    status = read_floats(argument[1], argument[3], &x);
  if (status == FACET_OK)
    status = read_floats(argument[2], NULL, &y);
  if (status == FACET_OK)
    status = show(x, y, atoll(argument[4]), atoll(argument[5]));
  if (status != FACET_OK)
    fprintf(stderr, "quality: %s\n", facet_message());
  facet_dataset_destroy(&x);
  facet_dataset_destroy(&y);
  return (int)status;
}
