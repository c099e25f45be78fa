/* `facet view`: the viewer and one study, for a browser on this machine, until it is interrupted. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "served.h"

/* What the viewer asks for, wherever the file lies. */
#define STUDY "/study.h5"
enum { MOST_FILES = 64 };

typedef struct {
  char *folder; /* of the viewer */
  int count;
  facet_served served[MOST_FILES + 1];
  char *path[MOST_FILES + 1]; /* owned */
} view;

/* ---- the viewer ---- */

static bool has_page(const char *folder)
{
  char *page = facet_format("%s/index.html", folder);
  bool there = page && facet_exists(page);
  facet_free(&page);
  return there;
}

/* Beside the program, as it is built; or where it is installed; or where the environment says. */
static facet_status find_viewer(char **folder)
{
  static const char *const places[] = {"viewer", "../share/facet/viewer"};
  char self[4096] = "";
  const char *told = getenv("FACET_VIEWER");
  if (told && *told) {
    FACET_CHECK(has_page(told), FACET_NO_INPUT, "view: FACET_VIEWER: %s has no index.html", told);
    *folder = facet_copy_text(told);
    return *folder ? FACET_OK : FACET_OS;
  }
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  self[length > 0 ? length : 0] = '\0';
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    *folder = facet_path_beside(self, places[i]);
    if (*folder && has_page(*folder))
      return FACET_OK;
    facet_free(folder);
  }
  return facet_raise(FACET_NO_INPUT,
                     "view: no viewer is built beside %s: make viewer builds it, and FACET_VIEWER names "
                     "another folder",
                     *self ? self : "facet");
}

static const char *type_of(const char *name)
{
  static const struct {
    const char *ending, *type;
  } types[] = {{".html", "text/html; charset=utf-8"},
               {".js", "text/javascript; charset=utf-8"},
               {".css", "text/css; charset=utf-8"},
               {".wasm", "application/wasm"},
               {".json", "application/json"},
               {".svg", "image/svg+xml"},
               {".png", "image/png"},
               {".h5", "application/x-hdf5"}};
  const char *ending = strrchr(name, '.');
  for (size_t i = 0; ending && i < sizeof types / sizeof types[0]; i++)
    if (strcmp(ending, types[i].ending) == 0)
      return types[i].type;
  return "application/octet-stream";
}

/* Takes an open file, which is closed at the end. */
static facet_status add(view *w, const char *path, int file)
{
  char *own = facet_copy_text(path);
  if (!own || w->count > MOST_FILES) {
    close(file);
    facet_free(&own);
    return own ? FACET_OK : FACET_OS;
  }
  w->path[w->count] = own;
  w->served[w->count++] =
      (facet_served){.path = own, .type = type_of(path), .file = file, .large = strcmp(path, STUDY) == 0};
  return FACET_OK;
}

/* A plain file of the viewer's folder; the page also under "/". */
static facet_status add_file(view *w, int folder, const char *name)
{
  struct stat about;
  char path[NAME_MAX + 2];
  int file = name[0] == '.' ? -1 : openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0)
    return FACET_OK;
  if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
    close(file);
    return FACET_OK;
  }
  (void)snprintf(path, sizeof path, "/%s", name);
  if (strcmp(name, "index.html") != 0)
    return add(w, path, file);
  int again = fcntl(file, F_DUPFD_CLOEXEC, 0);
  FACET_TRY(add(w, path, file));
  FACET_TRY(again < 0 ? FACET_OK : add(w, "/", again));
  w->served[w->count - 1].type = type_of(name);
  return FACET_OK;
}

static facet_status add_viewer(view *w)
{
  FACET_TRY(find_viewer(&w->folder));
  DIR *folder = opendir(w->folder);
  FACET_CHECK(folder, FACET_NO_INPUT, "%s: %s", w->folder, strerror(errno));
  facet_status status = FACET_OK;
  for (struct dirent *entry; status == FACET_OK && (entry = readdir(folder));)
    status = add_file(w, dirfd(folder), entry->d_name);
  closedir(folder);
  return status;
}

/* ---- the study ---- */

static facet_status add_study(view *w, const char *path)
{
  static const char signature[] = "\211HDF\r\n\032\n";
  char first[sizeof signature - 1];
  int file = open(path, O_RDONLY | O_CLOEXEC);
  FACET_CHECK(file >= 0, FACET_NO_INPUT, "%s: %s", path, strerror(errno));
  if (read(file, first, sizeof first) != (ssize_t)sizeof first || memcmp(first, signature, sizeof first) != 0) {
    close(file);
    return facet_raise(FACET_BAD_INPUT, "%s: is not an HDF5 file", path);
  }
  return add(w, STUDY, file);
}

/* ---- the browser ---- */

static bool has(const char *name)
{
  const char *text = getenv(name);
  return text && *text;
}

/* By a grandchild, which nobody waits for; what it says is not shown. */
static void open_browser(const char *address)
{
  pid_t child = fork();
  if (child > 0)
    waitpid(child, NULL, 0);
  if (child != 0)
    return;
  if (fork() == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
      dup2(null, i);
    execlp("xdg-open", "xdg-open", address, (char *)NULL);
  }
  _exit(0);
}

/* ---- the whole ---- */

static facet_status serve(const view *w, const facet_call *call)
{
  sigset_t ends;
  int port = (int)call->port, signal_number;
  char address[40];
  facet_server *server;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGHUP);
  sigprocmask(SIG_BLOCK, &ends, NULL); /* for the server's threads, too */
  (void)signal(SIGPIPE, SIG_IGN);      /* of a browser that has gone */
  FACET_TRY(facet_server_begin(w->count, w->served, &port, &server));
  (void)snprintf(address, sizeof address, "http://127.0.0.1:%d/", port);
  printf("%s: %s   (Ctrl-C ends it)\n", call->file[0], address);
  (void)fflush(stdout);
  if (!call->no_browser && (has("DISPLAY") || has("WAYLAND_DISPLAY")))
    open_browser(address);
  (void)sigwait(&ends, &signal_number);
  facet_server_end(&server);
  return FACET_OK;
}

facet_status facet_view(const facet_call *call)
{
  view w = {.count = 0};
  facet_phase(NULL);
  facet_status status = add_study(&w, call->file[0]);
  if (status == FACET_OK)
    status = add_viewer(&w);
  if (status == FACET_OK)
    status = serve(&w, call);
  for (int i = 0; i < w.count; i++) {
    close(w.served[i].file);
    facet_free(&w.path[i]);
  }
  facet_free(&w.folder);
  return status;
}
