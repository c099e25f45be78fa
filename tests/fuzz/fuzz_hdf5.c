/* Data sets in HDF5. What HDF5 itself makes of damaged files is not facet's: tests/fuzz/run tells the two apart. */
#include "fuzz_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
  if (count <= FUZZ_MOST)
    fuzz_data(&(fuzz_format){"hdf5", "i.h5"}, bytes, count);
  return 0;
}
