/* The table of methods in docs/study.md (make docs). */
#include "prune/methods.h"

int main(void)
{
  facet_methods_print();
  return 0;
}
