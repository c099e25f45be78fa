/* A schema: what keys a mapping of a study may have, one row a key: its type, range, default and where the value
 * goes.  Reading a mapping by such a table checks everything that a row says. */
#ifndef FACET_STUDY_SCHEMA_H
#define FACET_STUDY_SCHEMA_H

#include "study_tree.h"

typedef struct {
  const char *file; /* the study file, absolute: what relative paths start from */
  size_t real;      /* the first so many bytes of it are free of links: ".." goes up in them */
  void *context;    /* of the `read` functions */
} facet_schema_reader;

typedef enum {
  FACET_KEY_WHOLE,  /* int */
  FACET_KEY_LARGE,  /* int64_t */
  FACET_KEY_COUNT,  /* int64_t: at least 1, or `all`, which is 0 */
  FACET_KEY_SEED,   /* uint32_t */
  FACET_KEY_NUMBER, /* double */
  FACET_KEY_WORD,   /* an enum: one of `words` */
  FACET_KEY_NAME,   /* char *: safe as part of a path */
  FACET_KEY_PATH,   /* char *: made absolute */
  FACET_KEY_OTHER   /* what `read` makes of it; it gets the whole target */
} facet_key_type;

typedef struct {
  const char *name; /* NULL ends a list */
  int value;
} facet_word;

typedef struct {
  const char *key;
  facet_key_type type;
  const char *range;    /* of numbers, as a mathematician writes it: "[0, 1)", "(0, inf)" */
  const char *standard; /* the value when the key is left out, as it would be written; NULL: nothing is stored */
  size_t target;        /* offsetof */
  const facet_word *words;
  facet_status (*read)(const facet_schema_reader *reader, const facet_tree *node, void *target);
  bool required;
} facet_key;

/* Stores the defaults of `keys` into `target`. */
facet_status facet_schema_defaults(const facet_schema_reader *reader, const facet_key *keys, int count, void *target);
/* Reads a mapping into `target`; what is left out is left as it is. FACET_BAD_INPUT with line and path. */
facet_status facet_schema_read(const facet_schema_reader *reader, const facet_tree *node, const facet_key *keys,
                               int count, void *target);

/* Single values; the same errors. Texts are the caller's. */
facet_status facet_schema_whole(const facet_tree *node, const char *range, int64_t *x);
facet_status facet_schema_number(const facet_tree *node, const char *range, double *x);
facet_status facet_schema_word(const facet_tree *node, const facet_word *words, int *value);
facet_status facet_schema_text(const facet_tree *node, char **text); /* any, but not empty */
facet_status facet_schema_name(const facet_tree *node, char **name);
facet_status facet_schema_path(const facet_schema_reader *reader, const facet_tree *node, char **path);
/* Not a mapping, not an empty list. */
facet_status facet_schema_some(const facet_tree *node);

/* The name of a file without folder and ending, made safe. Caller frees; NULL: no memory. */
char *facet_name_of_file(const char *path);

#endif
