/* The message of the last failure.  A status says what kind of failure it was; the one line kept here says which
 * file, key or node it was about, and grows prefixes on its way up.  Threads do not see each other's: each has an error
 * of its own, or one that its caller owns and has put in that place. */
#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local facet_error own;
static _Thread_local facet_error *used; /* NULL: own */

static facet_error *present(void)
{
  return used ? used : &own;
}

facet_error *facet_error_use(facet_error *error)
{
  facet_error *before = used;
  used = error;
  return before;
}

/* A message is one line, whatever a library or a file name put into it. */
static facet_status keep(facet_status status, const char *text)
{
  facet_error *error = present();
  size_t length = 0;
  for (; text[length] != '\0' && length + 1 < sizeof error->message; length++)
    error->message[length] = (unsigned char)text[length] < ' ' ? ' ' : text[length];
  while (length > 0 && error->message[length - 1] == ' ')
    length--;
  error->message[length] = '\0';
  facet_clean_text(error->message);
  error->status = status;
  return status;
}

facet_status(facet_raise)(facet_status status, const char *format, ...)
{
  char text[sizeof own.message]; /* the arguments may point into the present message */
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return keep(status, text);
}

facet_status(facet_raise_in)(facet_status status, const char *format, ...)
{
  char text[sizeof own.message];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  size_t length = strlen(text);
  snprintf(text + length, sizeof text - length, "%s", present()->message);
  return keep(status, text);
}

const char *facet_message(void)
{
  return present()->message;
}
