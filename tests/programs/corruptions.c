/* The table of constants in docs/study.md (make docs). */
#include "data/data.h"

int main(void)
{
  facet_corruptions_print();
  return 0;
}
