/* Text that is made at run time: formatted strings, copies, lists, and paths relative to a file. */
#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

char *facet_format(const char *format, ...)
{
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = NULL;
  if (length < 0)
    (void)facet_raise(FACET_OS, "text cannot be formatted");
  else
    text = facet_allocate((size_t)length + 1, 1);
  if (text)
    vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

char *facet_copy_text(const char *text)
{
  return text ? facet_format("%s", text) : NULL;
}

void facet_append(char *text, size_t size, const char *between, const char *format, ...)
{
  va_list arguments;
  size_t used = strlen(text);
  if (used > 0)
    (void)snprintf(text + used, size - used, "%s", between);
  used = strlen(text);
  va_start(arguments, format);
  (void)vsnprintf(text + used, size - used, format, arguments);
  va_end(arguments);
}

bool facet_is_among(const char *text, char *const *item, int count)
{
  int i = 0;
  while (i < count && strcmp(item[i], text) != 0)
    i++;
  return i < count;
}

char *facet_path_beside(const char *file, const char *path)
{
  const char *slash = strrchr(file, '/');
  if (path[0] == '/' || !slash)
    return facet_copy_text(path);
  return facet_format("%.*s%s", (int)(slash - file) + 1, file, path);
}

void facet_path_tidy(char *path, size_t real)
{
  size_t length = 0;
  for (const char *part = path; *part;) {
    part += strspn(part, "/");
    size_t size = strcspn(part, "/");
    if (size == 2 && strncmp(part, "..", 2) == 0 && length <= real) {
      while (length > 0 && path[--length] != '/')
        ;
      real = length;
    } else if (size > 0 && !(size == 1 && part[0] == '.')) {
      path[length] = '/'; /* never beyond `part`: every part kept had a slash before it */
      memmove(path + length + 1, part, size);
      length += size + 1;
    }
    part += size;
  }
  if (length == 0)
    path[length++] = '/';
  path[length] = '\0';
}

/* Bytes of the UTF-8 character at `text`, in its shortest form; 0: there is none, or it is a control character. */
static size_t printable(const unsigned char *text)
{
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t length = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : text[0] >> 3 == 30 ? 4 : 0;
  uint32_t code = length == 1 ? text[0] : text[0] & 0xffU >> (length + 1);
  for (size_t i = 1; i < length; i++) {
    if (text[i] >> 6 != 2)
      return 0;
    code = code << 6 | (text[i] & 0x3fU);
  }
  bool control = code < 0x20 || (code >= 0x7f && code < 0xa0), surrogate = code >= 0xd800 && code < 0xe000;
  return length > 0 && code >= least[length] && code <= 0x10ffff && !control && !surrogate ? length : 0;
}

void facet_clean_text(char *text)
{
  for (size_t i = 0, length; text && text[i]; i += length > 0 ? length : 1)
    if ((length = printable((const unsigned char *)text + i)) == 0)
      text[i] = '?';
}
