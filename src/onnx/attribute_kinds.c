/* Whether ONNX gives an operator an attribute, in any of its operator sets, and of that kind: the operator's row says.
 * What others refuse, a misspelt attribute for one, must not be taken for one that was left out. */
#include <stdio.h>
#include <string.h>

#include "graph.h"

static const struct {
  char letter;
  const char *what;
} kinds[] = {[FACET_INT] = {'i', "a whole number"},
             [FACET_FLOAT] = {'f', "a number"},
             [FACET_TEXT] = {'s', "a text"},
             [FACET_INTS] = {'I', "a list of whole numbers"},
             [FACET_FLOATS] = {'F', "a list of numbers"},
             [FACET_TENSOR] = {'t', "a tensor"}};

facet_status facet_onnx_check_attribute(const char *type, const facet_attribute *a)
{
  char word[80];
  const char *attributes = facet_operator_attributes(type), *found = NULL;
  if (strcmp(a->name, "consumed_inputs") == 0) /* of any operator before operator set 6, and without a meaning */
    return FACET_OK;
  int length = snprintf(word, sizeof word, " %s:", a->name);
  if (length < (int)sizeof word && !strpbrk(a->name, " :"))
    found = strstr(attributes, word);
  FACET_CHECK(found, FACET_BAD_INPUT, "there is no attribute %s of this operator", a->name);
  const char *letters = found + length;
  bool fits = memchr(letters, kinds[a->kind].letter, strcspn(letters, " ")) != NULL;
  FACET_CHECK(fits, FACET_BAD_INPUT, "attribute %s cannot be %s", a->name, kinds[a->kind].what);
  return FACET_OK;
}
