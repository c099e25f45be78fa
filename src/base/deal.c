/* Dealing by cost: see deal.h. */
#include "deal.h"

enum { PARTS = 4 }; /* a piece is so many times smaller than an even share of what is left */

#define FIRST 0.25 /* of its share a rank has at once: a rank three times slower than others has time for it */

facet_status facet_deal_begin(int ranks, int64_t most, facet_deal *deal)
{
  *deal = (facet_deal){.ranks = ranks};
  FACET_NEW(deal->before, most + 1);
  FACET_NEW(deal->share, ranks);
  return FACET_OK;
}

void facet_deal_clear(facet_deal *deal)
{
  facet_free(&deal->before);
  facet_free(&deal->share);
}

void facet_deal_add(facet_deal *d, double cost)
{
  d->before[d->count + 1] = d->before[d->count] + cost;
  d->count++;
}

static double cost_of(const facet_deal *d, facet_range r)
{
  return d->before[r.end] - d->before[r.first];
}

/* The first place whose unit has at least half of itself behind this part of the whole cost; the row's end for 1. */
static int64_t cut(const facet_deal *d, double part)
{
  int64_t low = part < 1 ? 0 : d->count, high = d->count;
  while (low < high) {
    int64_t i = low + (high - low) / 2;
    if ((d->before[i] + d->before[i + 1]) / 2 < part * d->before[d->count])
      low = i + 1;
    else
      high = i;
  }
  return low;
}

static facet_range share_of(const facet_deal *d, int rank)
{
  return (facet_range){cut(d, (double)rank / d->ranks), cut(d, (double)(rank + 1) / d->ranks)};
}

facet_range facet_deal_first(facet_deal *d, int rank)
{
  facet_range all = share_of(d, rank);
  int64_t middle = d->ranks == 1 ? all.end : cut(d, (rank + FIRST) / d->ranks);
  if (middle == all.first && middle < all.end)
    middle++;
  d->share[rank] = (facet_range){middle, all.end};
  return (facet_range){all.first, middle};
}

/* Whose share a rank's next piece comes from: its own, or the largest. */
static int whose(const facet_deal *d, int rank)
{
  int from = rank;
  for (int r = 0; r < d->ranks && facet_range_is_empty(d->share[rank]); r++)
    if (facet_range_is_empty(d->share[from]) || cost_of(d, d->share[r]) > cost_of(d, d->share[from]))
      from = r;
  return from;
}

facet_range facet_deal_next(facet_deal *d, int rank)
{
  int from = whose(d, rank);
  facet_range *share = &d->share[from];
  double wanted = 0;
  for (int r = 0; r < d->ranks; r++)
    wanted += cost_of(d, d->share[r]) / (PARTS * d->ranks);
  bool own = from == rank;
  facet_range piece = own ? (facet_range){share->first, share->first} : (facet_range){share->end, share->end};
  while (piece.end - piece.first < share->end - share->first &&
         (facet_range_is_empty(piece) || cost_of(d, piece) < wanted)) {
    piece.end += own;
    piece.first -= !own;
  }
  if (own)
    share->first = piece.end;
  else
    share->end = piece.first;
  return piece;
}
