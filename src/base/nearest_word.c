/* The word that a user may have meant. */
#include "base.h"

#include <string.h>

static int smaller(int a, int b)
{
  return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b. */
static int edit_distance(const char *a, const char *b)
{
  enum { MOST = 64 };
  int above[MOST + 1], row[MOST + 1], before[MOST + 1];
  int m = (int)strlen(a), n = (int)strlen(b);
  if (m > MOST || n > MOST)
    return MOST;
  memset(before, 0, sizeof before);
  for (int j = 0; j <= n; j++)
    above[j] = j;
  for (int i = 1; i <= m; i++) {
    row[0] = i;
    for (int j = 1; j <= n; j++) {
      row[j] = smaller(above[j - 1] + (a[i - 1] != b[j - 1]), smaller(above[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = smaller(row[j], before[j - 2] + 1);
    }
    memcpy(before, above, sizeof before);
    memcpy(above, row, sizeof above);
  }
  return above[n];
}

const char *facet_nearest_word(const char *text, const char *const *word, int count)
{
  const char *nearest = NULL;
  int best = strlen(text) < 4 ? 2 : 3; /* one slip in a short word, two in a long one */
  for (int i = 0; i < count; i++) {
    int distance = edit_distance(text, word[i]);
    if (distance < best && (size_t)distance < strlen(word[i])) {
      best = distance;
      nearest = word[i];
    }
  }
  return nearest;
}
