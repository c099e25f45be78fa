/* The text of a study; of what is accepted, the filled text is accepted too. */
#include "fuzz.h"
#include "study/study.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
  facet_study *study = NULL, *again = NULL;
  char *text = NULL;
  if (count > FUZZ_MOST)
    return 0;
  facet_status status = facet_study_read(fuzz_file("s.yaml", bytes, count), NULL, &study);
  if (status != FACET_OK) {
    fuzz_refused(status);
    return 0;
  }
  if (facet_study_text(study, &text) != FACET_OK ||
      facet_study_read(fuzz_file("t.yaml", text, strlen(text)), NULL, &again) != FACET_OK) {
    fprintf(stderr, "%s\n%s\n", facet_message(), text ? text : "");
    abort();
  }
  facet_free(&text);
  facet_study_destroy(&again);
  facet_study_destroy(&study);
  return 0;
}
