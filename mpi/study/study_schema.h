/* A schema: what keys a mapping of a study may have, one row a key: its type, range, default, meaning, and where the
 * value goes.  By such a table a mapping is read and checked, filled with defaults, printed, freed and documented. */
#ifndef FACET_STUDY_SCHEMA_H
#define FACET_STUDY_SCHEMA_H

#include <stddef.h>
#include <stdio.h>

#include "study_tree.h"

typedef struct {
  const char *file; /* the study file, absolute: what relative paths start from */
  size_t real;      /* the first so many bytes of it are free of links: ".." goes up in them */
  void *context;    /* of the `read`, `begin` and `check` functions */
} facet_schema_reader;

typedef enum {
  FACET_KEY_WHOLE,  /* int, int64_t or uint32_t; never negative */
  FACET_KEY_NUMBER, /* double */
  FACET_KEY_WORD,   /* an int, an enum or a bool: one of `words` */
  FACET_KEY_TEXT,   /* char *; NULL: left out, and not printed */
  FACET_KEY_NAME,   /* a text that is safe as part of a path */
  FACET_KEY_PATH,   /* a text that is made absolute */
  FACET_KEY_MAPPING /* a struct: has keys of its own */
} facet_key_type;

typedef struct {
  const char *name; /* NULL ends a list */
  int value;
} facet_word;

typedef struct facet_mapping facet_mapping;
typedef struct facet_key facet_key;

/* A function of a row or a mapping; `target` is the struct whose members the rows set. */
typedef facet_status facet_schema_check(const facet_schema_reader *reader, const facet_tree *node, void *target);

struct facet_key {
  const char *key;
  facet_key_type type;
  size_t target, size;     /* offsetof; sizeof one value */
  const char *range;       /* of numbers, as a mathematician writes it: "[0, 1)", "(0, inf)" */
  const facet_word *words; /* or a function of 0, 1, ..., which ends with a name that is NULL */
  facet_word (*word)(int i);
  /* Of a mapping. Of a word: a mapping may stand in its place, whose keys set members beside the word's, which is then
   * `otherwise`. */
  const facet_mapping *keys;
  int otherwise;
  const char *standard;  /* the value when the key is left out, as it would be written; NULL: nothing is stored */
  const char *meaning;   /* for the documents, as Markdown; "": the name says it */
  const char *zero;      /* the word that stands for 0, or for no item */
  const char *flag_word; /* the word that, in place of a value, sets a bool, whose offset, not 0, is `flag` */
  size_t flag;
  /* A list, `target` of which is a pointer to its items (or they themselves, if `fixed`): the offset of the int that
   * counts them. A single value is a list of one, unless `plural` says of what only a list will do. */
  bool list;
  size_t count;
  const char *plural;
  bool fixed, different, bare; /* different: no two items are alike; bare: a single one is printed without brackets */
  int least, most;             /* items; most 0: any number */
  size_t given;   /* a mapping that may be missing: the offset, not 0, of the bool that says whether it is there */
  size_t line;    /* the offset, not 0, of an int for the key's line */
  unsigned kinds; /* of the mapping, 1 << kind, that have the key; 0: all */
  bool required;
  bool inherits; /* a mapping whose defaults are there already */
  bool again;    /* another name for the key before it: not printed */
  /* In place of what the type says; they get the whole target. */
  facet_status (*read)(const facet_schema_reader *reader, const facet_key *key, const facet_tree *node, void *target);
  void (*print)(FILE *out, const void *target); /* what stands behind "key:" */
  void (*clear)(void *target);
  const char *type_says, *standard_says; /* for the documents, where they say more than the above */
};

/* A mapping comes in kinds, if `kind` says which one it is after reading: NAME, WHICH words tell why a key that is not
 * one of that kind's is refused. */
typedef struct {
  const char *name, *which;
} facet_kind;

struct facet_mapping {
  const facet_key *key;
  int count;
  bool flow; /* printed in one line */
  const facet_kind *kinds;
  int (*kind)(const void *target);
  facet_schema_check *begin, *check; /* before and after reading; check: what rows cannot say */
};

#define FACET_ANY "[1, 9007199254740992]" /* from 1: all that doubles hold exactly */

extern const facet_word facet_truths[];

/* Stores defaults into `target`, and into mappings that are always there. */
facet_status facet_schema_defaults(const facet_schema_reader *reader, const facet_mapping *mapping, void *target);
/* Reads a mapping into `target`; what is left out is left as it is. FACET_BAD_INPUT with line and path. */
facet_status facet_schema_read(const facet_schema_reader *reader, const facet_mapping *mapping, const facet_tree *node,
                               void *target);
/* As YAML with all defaults, in one fixed form, equal values as equal texts. The first line stands where it is to
 * stand, the others are indented by so many columns; the last one is not ended. */
void facet_schema_print(FILE *out, const facet_mapping *mapping, const void *target, int indent);
/* Frees whatever reading stored. */
void facet_schema_clear(const facet_mapping *mapping, void *target);

/* Values, for the functions of rows; the same errors. Texts are the caller's. value: what the row's type says. */
facet_status facet_schema_value(const facet_schema_reader *reader, const facet_key *key, const facet_tree *node,
                                void *target);
facet_status facet_schema_whole(const facet_tree *node, const char *range, int64_t *x);
facet_status facet_schema_path(const facet_schema_reader *reader, const facet_tree *node, char **path);
/* The word of a value in a row's list, or NULL. */
const char *facet_schema_word_of(const facet_key *key, int64_t value);
/* A whole number, an enum or a bool, in a member of so many bytes. */
int64_t facet_schema_integer(const facet_key *key, const void *slot);
/* Whether it is a char *. */
bool facet_schema_is_text(const facet_key *key);
/* Where a key's values lie, one after the other, and how many they are. */
char *facet_schema_items(const facet_key *key, const void *target, int *count);
/* Whether a node is that word. */
bool facet_schema_is(const facet_tree *node, const char *word);

/* The name of a file without folder and ending, made safe. Caller frees; NULL: no memory. */
char *facet_name_of_file(const char *path);

#endif
