/* Gram matrices: see gram.h. */
#include "gram.h"

#include <cblas.h>

void facet_gram_add(const facet_gram_panel *p, int64_t count, const double *lines)
{
  int order = (int)p->order, columns = (int)p->count, behind = order - (int)p->first - columns;
  if (count == 0)
    return;
  lines += p->first;
  cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, columns, (int)count, 1, lines, order, 1, p->sum + p->first, order);
  if (behind > 0)
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, columns, behind, (int)count, 1, lines, order, lines + columns,
                order, 1, p->sum + p->first + columns, order);
}
