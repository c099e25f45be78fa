/* The table of methods of attribution in docs/study.md (make docs). */
#include <facet/attribution.h>
#include <stdio.h>

int main(void)
{
  puts("| method | what it is |\n|---|---|");
  for (int m = 0; facet_attribution_name(m); m++)
    printf("| `%s` | %s |\n", facet_attribution_name(m), facet_attribution_about(m));
  return 0;
}
