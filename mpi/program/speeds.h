/* How fast this machine does what stages consist of, by short measurements. */
#ifndef FACET_SPEEDS_H
#define FACET_SPEEDS_H

#include "stages/stage.h"

/* Not collective. forward: room for V numbers, which the speeds borrow. */
facet_status facet_speeds_measure(const facet_plan *plan, const facet_family *family, double *forward,
                                  facet_speeds *speeds);

#endif
