/* The body of panel.c for one REAL; NAME(x) makes names unique.  No include guard: included twice. */

typedef REAL NAME(lanes) __attribute__((vector_size(FACET_REGISTER)));

void NAME(facet_panel)(int64_t count, const REAL *a, const REAL *b, const REAL *start, REAL *sum)
{
  enum { WIDTH = FACET_PANEL / sizeof(REAL), LANES = FACET_REGISTER / sizeof(REAL) };
  for (int first = 0; first < WIDTH; first += SIDE_BY_SIDE * LANES) {
    NAME(lanes) s[FACET_PANEL_ROWS][SIDE_BY_SIDE] = {{{0}}};
    for (int r = 0; r < FACET_PANEL_ROWS; r++)
      for (int i = 0; i < SIDE_BY_SIDE; i++)
        s[r][i] += start[r];
    for (int64_t k = 0; k < count; k++)
#pragma GCC unroll 4
      for (int r = 0; r < FACET_PANEL_ROWS; r++)
#pragma GCC unroll 2
        for (int i = 0; i < SIDE_BY_SIDE; i++)
          s[r][i] += a[k * FACET_PANEL_ROWS + r] * *(const NAME(lanes) *)(b + k * WIDTH + first + i * LANES);
    for (int r = 0; r < FACET_PANEL_ROWS; r++)
      for (int i = 0; i < SIDE_BY_SIDE; i++)
        *(NAME(lanes) *)(sum + r * WIDTH + first + i * LANES) = s[r][i];
  }
}
