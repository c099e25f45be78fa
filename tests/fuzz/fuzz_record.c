/* Records of how a network was made, and checkpoints: whatever they are, no error comes of them.  A checkpoint is read
 * as the bytes say, and as one that facet wrote, with the bytes put over its state, and over its beginning: what is
 * used is then what was written.  Its digest stays: libFuzzer sees what is compared, and would put the right one there.
 */
#include "fuzz.h"

#include "train/checkpoint.h"
#include "train/record.h"

static const char digest[65] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

enum { STATE = 4 * sizeof(double) + sizeof(int64_t), DIGEST = 65 };

static void change_checkpoint(const uint8_t *bytes, size_t count)
{
  double state[4] = {1, 2, 3, 4}, got[4];
  int64_t step = 5, got_step;
  uint8_t *all;
  size_t size;
  bool found;
  const facet_piece piece[] = {{state, sizeof state}, {&step, sizeof step}},
                    into[] = {{got, sizeof got}, {&got_step, sizeof got_step}};
  const char *path = fuzz_path("checkpoint");
  if (facet_checkpoint_write(path, digest, 7, 2, piece) != FACET_OK || facet_read_file(path, &all, &size) != FACET_OK)
    abort();
  size_t over = count < STATE ? count : STATE, most = size - STATE - DIGEST;
  memcpy(all + size - STATE, bytes, over);
  memcpy(all, bytes + over, count - over < most ? count - over : most);
  (void)fuzz_file("checkpoint", all, size);
  facet_free(&all);
  if (facet_checkpoint_read(path, digest, 2, into, &found) != FACET_OK ||
      (found && (memcmp(state, got, sizeof state) != 0 || step != got_step)))
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
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
  change_checkpoint(bytes, count);
  return 0;
}
