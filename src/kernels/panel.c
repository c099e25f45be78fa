/* Products of panels, for registers of every width: see panel.h. */
#include "panel.h"

#include "registers.h"

/* As many registers side by side as keep both pipes of a processor busy. */
enum { SIDE_BY_SIDE = (int)FACET_REGISTER == (int)FACET_PANEL ? 1 : 2 };

#define REAL    float
#define NAME(x) x##_f32
#include "panel_body.h"
#undef REAL
#undef NAME

#define REAL    double
#define NAME(x) x##_f64
#include "panel_body.h"
#undef REAL
#undef NAME
