/* SHA-256 by OpenSSL's libcrypto: the fingerprint of models and of results. */
#include "base.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

struct facet_sha256 {
  EVP_MD_CTX *context;
};

facet_status facet_sha256_begin(facet_sha256 **digest)
{
  *digest = NULL;
  facet_sha256 *made = NULL;
  FACET_NEW(made, 1);
  made->context = EVP_MD_CTX_new();
  if (!made->context || EVP_DigestInit_ex(made->context, EVP_sha256(), NULL) != 1) {
    facet_sha256_drop(&made);
    return facet_raise(FACET_INTERNAL, "libcrypto offers no SHA-256");
  }
  *digest = made;
  return FACET_OK;
}

facet_status facet_sha256_add(facet_sha256 *digest, const void *bytes, size_t count)
{
  FACET_CHECK(EVP_DigestUpdate(digest->context, bytes, count) == 1, FACET_INTERNAL, "libcrypto: SHA-256 failed");
  return FACET_OK;
}

facet_status facet_sha256_end(facet_sha256 **digest, char hex[65])
{
  unsigned char value[EVP_MAX_MD_SIZE] = {0};
  unsigned length = 0;
  int done = EVP_DigestFinal_ex((*digest)->context, value, &length);
  facet_sha256_drop(digest);
  FACET_CHECK(done == 1 && length == 32, FACET_INTERNAL, "libcrypto: SHA-256 failed");
  for (size_t i = 0; i < 32; i++)
    snprintf(hex + 2 * i, 3, "%02x", value[i]);
  return FACET_OK;
}

void facet_sha256_drop(facet_sha256 **digest)
{
  if (!*digest)
    return;
  EVP_MD_CTX_free((*digest)->context);
  facet_free(digest);
}

facet_status facet_sha256_bytes(const void *bytes, size_t count, char hex[65])
{
  facet_sha256 *digest;
  FACET_TRY(facet_sha256_begin(&digest));
  facet_status status = facet_sha256_add(digest, bytes, count);
  if (status == FACET_OK)
    return facet_sha256_end(&digest, hex);
  facet_sha256_drop(&digest);
  return status;
}

static facet_status add_stream(facet_sha256 *digest, FILE *stream, const char *path)
{
  unsigned char block[65536];
  size_t count = 0;
  while ((count = fread(block, 1, sizeof block, stream)) > 0)
    FACET_TRY(facet_sha256_add(digest, block, count));
  FACET_CHECK(!ferror(stream), FACET_IO, "%s: cannot be read: %s", path, strerror(errno));
  return FACET_OK;
}

facet_status facet_sha256_file(const char *path, char hex[65])
{
  facet_status status = FACET_OK;
  facet_sha256 *digest = NULL;
  FILE *stream = fopen(path, "rb");
  FACET_CHECK(stream, FACET_NO_INPUT, "%s: %s", path, strerror(errno));
  FACET_GO(out, status, facet_sha256_begin(&digest));
  FACET_GO(out, status, add_stream(digest, stream, path));
  status = facet_sha256_end(&digest, hex);
out:
  facet_sha256_drop(&digest);
  fclose(stream);
  return status;
}
