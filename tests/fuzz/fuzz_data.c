/* Data sets: the first byte says of which format the rest is. */
#include "fuzz_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
  static const fuzz_format format[] = {{"idx", "i.idx"}, {"idx", "i.idx.gz"}, {"cifar10", "c.bin"},
                                       {"npy", "i.npy"}, {"npy", "i.npy.gz"}, {"cifar10", "c.bin.gz"}};
  if (count < 1 || count > FUZZ_MOST)
    return 0;
  fuzz_data(&format[bytes[0] % (sizeof format / sizeof format[0])], bytes + 1, count - 1);
  return 0;
}
