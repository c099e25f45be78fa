/* The server of `facet view`: a few files that were opened when it began, whole or a range of one, by libmicrohttpd.
 *
 * It listens on loopback alone.  A path is one of the list or is not found, so that no path leads elsewhere.  Whoever
 * does not name this address as the host is refused: the page of a stranger, whose name was made to lead here, can so
 * not read a study. */
#include "served.h"

#include <string.h>

#ifndef FACET_HTTP

facet_status facet_server_begin(int count, const facet_served *served, int *port, facet_server **server)
{
  (void)count;
  (void)served;
  (void)port;
  *server = NULL;
  return facet_raise(FACET_USAGE,
                     "view: this facet was built without libmicrohttpd (Debian package: libmicrohttpd-dev); "
                     "build/viewer/index.html of a built viewer opens files, too");
}

void facet_server_end(facet_server **server)
{
  *server = NULL;
}

#else

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 4, CONNECTIONS = 256, IDLE_SECONDS = 120, TEXT = 160 };

struct facet_server {
  int count, port;
  const facet_served *served;
  struct MHD_Daemon *daemon;
};

/* ---- what is asked for ---- */

static const char *header(struct MHD_Connection *c, const char *name)
{
  const char *text = MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
  return text ? text : "";
}

static bool is_host(const char *host, int port)
{
  static const char *const names[] = {"127.0.0.1", "localhost"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char wanted[TEXT];
    (void)snprintf(wanted, sizeof wanted, "%s:%d", names[i], port);
    if (strcasecmp(host, wanted) == 0 || (port == 80 && strcasecmp(host, names[i]) == 0))
      return true;
  }
  return false;
}

/* A whole number, and what follows it; -1: none. */
static int64_t take_number(const char **text)
{
  char *end;
  if (**text < '0' || **text > '9')
    return -1;
  errno = 0;
  long long number = strtoll(*text, &end, 10);
  *text = end;
  return errno ? INT64_MAX : number;
}

typedef enum { WHOLE, PART, BEYOND } wanted;

/* RFC 9110, 14: one range "bytes=0-99", "bytes=100-", "bytes=-100"; whatever else it is, as if it were not there. */
static wanted find_range(const char *text, int64_t size, int64_t *first, int64_t *count)
{
  *first = 0;
  *count = size;
  if (strncasecmp(text, "bytes=", 6) != 0)
    return WHOLE;
  text += 6;
  int64_t from = take_number(&text), to = -1;
  if (*text++ != '-')
    return WHOLE;
  to = take_number(&text);
  if (*text || (from < 0 && to < 0) || (to >= 0 && from > to))
    return WHOLE;
  if (from < 0) /* the last so many; the last 0 are none */
    from = to < size ? size - to : 0, to = size - 1;
  else if (to < 0 || to >= size)
    to = size - 1;
  if (from >= size)
    return BEYOND;
  *first = from;
  *count = to - from + 1;
  return PART;
}

/* ---- answers ---- */

/* Queues and lets go. What every answer says: no other page may have it, and what it is is not guessed at. */
static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, struct MHD_Response *response)
{
  if (!response)
    return MHD_NO;
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
  enum MHD_Result queued = MHD_queue_response(c, status, response);
  MHD_destroy_response(response);
  return queued;
}

static struct MHD_Response *text_response(const char *text)
{
  struct MHD_Response *response =
      MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
  if (response)
    MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
  return response;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, const char *text)
{
  struct MHD_Response *response = text_response(text);
  if (response && status == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header(response, "Allow", "GET, HEAD");
  return answer(c, status, response);
}

static enum MHD_Result not_here(struct MHD_Connection *c, int64_t size)
{
  char text[TEXT];
  struct MHD_Response *response = text_response("there is no such part of it\n");
  (void)snprintf(text, sizeof text, "bytes */%" PRId64, size);
  if (response)
    MHD_add_response_header(response, "Content-Range", text);
  return answer(c, MHD_HTTP_RANGE_NOT_SATISFIABLE, response);
}

/* Bytes first .. first+count-1 of a file, read as they are sent. */
static struct MHD_Response *part_response(int file, int64_t first, int64_t count)
{
  int own = dup(file); /* the response closes it */
  struct MHD_Response *response =
      own < 0 ? NULL : MHD_create_response_from_fd_at_offset64((uint64_t)count, own, (uint64_t)first);
  if (!response && own >= 0)
    close(own);
  return response;
}

static enum MHD_Result send_file(struct MHD_Connection *c, const facet_served *s)
{
  struct stat about;
  char tag[TEXT], range[TEXT];
  int64_t first, count;
  if (fstat(s->file, &about) != 0)
    return refuse(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "it cannot be read\n");
  int64_t size = about.st_size;
  (void)snprintf(tag, sizeof tag, "\"%jx-%jx-%jx\"", (uintmax_t)size, (uintmax_t)about.st_mtim.tv_sec,
                 (uintmax_t)about.st_mtim.tv_nsec);
  const char *same = header(c, "If-Range"), *known = header(c, "If-None-Match");
  bool unchanged = strcmp(known, tag) == 0;
  wanted want = find_range(*same && strcmp(same, tag) != 0 ? "" : header(c, "Range"), size, &first, &count);
  if (want == BEYOND && !unchanged)
    return not_here(c, size);
  struct MHD_Response *response = unchanged ? text_response("") : part_response(s->file, first, count);
  if (!response)
    return refuse(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "it cannot be read\n");
  (void)snprintf(range, sizeof range, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, first, first + count - 1, size);
  if (want == PART && !unchanged)
    MHD_add_response_header(response, "Content-Range", range);
  if (!unchanged)
    MHD_add_response_header(response, "Content-Type", s->type);
  MHD_add_response_header(response, "Accept-Ranges", "bytes");
  MHD_add_response_header(response, "ETag", tag);
  MHD_add_response_header(response, "Cache-Control", s->large ? "no-store" : "no-cache");
  return answer(c, unchanged ? MHD_HTTP_NOT_MODIFIED : want == PART ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, response);
}

/* Called once when the headers are there, and once more to be answered. */
static enum MHD_Result handle(void *self, struct MHD_Connection *c, const char *path, const char *method,
                              const char *version, const char *body, size_t *bytes, void **seen)
{
  static int once;
  const facet_server *s = self;
  (void)version;
  (void)body;
  if (!*seen) {
    *seen = &once;
    return MHD_YES;
  }
  *bytes = 0;
  if (!is_host(header(c, "Host"), s->port))
    return refuse(c, MHD_HTTP_FORBIDDEN, "this is another host\n");
  if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
    return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "there is only GET and HEAD\n");
  for (int i = 0; i < s->count; i++)
    if (strcmp(s->served[i].path, path) == 0)
      return send_file(c, &s->served[i]);
  return refuse(c, MHD_HTTP_NOT_FOUND, "there is no such file here\n");
}

/* ---- beginning and end ---- */

static facet_status listen_on(int *port, int *made)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
  socklen_t size = sizeof address;
  const int on = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int own = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool good = own >= 0 && setsockopt(own, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              bind(own, (struct sockaddr *)&address, sizeof address) == 0 && listen(own, SOMAXCONN) == 0 &&
              getsockname(own, (struct sockaddr *)&address, &size) == 0;
  int problem = errno;
  if (!good && own >= 0)
    close(own);
  FACET_CHECK(good, FACET_CANNOT_CREATE, "view: port %d of 127.0.0.1: %s", *port, strerror(problem));
  *port = ntohs(address.sin_port);
  *made = own;
  return FACET_OK;
}

facet_status facet_server_begin(int count, const facet_served *served, int *port, facet_server **server)
{
  int own;
  *server = NULL;
  FACET_TRY(listen_on(port, &own));
  facet_server *s = *server = facet_allocate(1, sizeof *s);
  if (s) {
    *s = (facet_server){.count = count, .port = *port, .served = served};
    s->daemon = MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle, s,
                                 MHD_OPTION_LISTEN_SOCKET, own, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned)IDLE_SECONDS, MHD_OPTION_END);
  }
  if (s && s->daemon)
    return FACET_OK;
  close(own);
  facet_free(server);
  return facet_raise(FACET_OS, "view: the server cannot be started");
}

void facet_server_end(facet_server **server)
{
  if (*server)
    MHD_stop_daemon((*server)->daemon);
  facet_free(server);
}

#endif
