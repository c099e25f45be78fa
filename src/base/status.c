/* The message of the last failure.  A status says what kind of failure it was; the one line kept here says which
 * file, key or node it was about, and grows prefixes on its way up. */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048 };

static char message[MESSAGE_BYTES];

/* A message is one line, whatever a library or a file name put into it. */
static void keep(const char *text)
{
  size_t length = 0;
  for (; text[length] != '\0' && length + 1 < sizeof message; length++)
    message[length] = (unsigned char)text[length] < ' ' ? ' ' : text[length];
  while (length > 0 && message[length - 1] == ' ')
    length--;
  message[length] = '\0';
}

facet_status(facet_raise)(facet_status status, const char *format, ...)
{
  char text[MESSAGE_BYTES]; /* the arguments may point into the present message */
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  keep(text);
  return status;
}

facet_status(facet_raise_in)(facet_status status, const char *format, ...)
{
  char text[MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  size_t length = strlen(text);
  snprintf(text + length, sizeof text - length, "%s", message);
  keep(text);
  return status;
}

const char *facet_message(void)
{
  return message;
}
