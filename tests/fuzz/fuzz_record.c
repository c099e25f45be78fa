/* Records of how a network was made, and checkpoints: whatever they are, no error comes of them. */
#include "fuzz.h"

#include "train/checkpoint.h"
#include "train/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
  static const char digest[65] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  double state[4];
  int64_t step;
  const facet_piece piece[] = {{state, sizeof state}, {&step, sizeof step}};
  bool found;
  if (count > FUZZ_MOST)
    return 0;
  const char *path = fuzz_file("record", bytes, count);
  facet_record record = facet_record_read(path);
  if (strlen(record.diverged) >= sizeof record.diverged)
    abort();
  if (facet_checkpoint_read(path, digest, 2, piece, &found) != FACET_OK)
    abort();
  return 0;
}
