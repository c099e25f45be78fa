/* A YAML file as a tree of nodes that know their line and their path, so that whoever reads values out of it can
 * say where one is wrong.  Knows nothing of studies. */
#ifndef FACET_STUDY_TREE_H
#define FACET_STUDY_TREE_H

#include "base/base.h"

typedef enum { FACET_TREE_SCALAR, FACET_TREE_LIST, FACET_TREE_MAPPING } facet_tree_kind;

typedef struct facet_tree facet_tree;
struct facet_tree {
  facet_tree_kind kind;
  int line;                 /* of its key; of an entry of a list: where it starts */
  char *text;               /* scalars: the value, without its quotes */
  bool quoted;              /* a scalar in quotes, or a block of text: never a number */
  char *key;                /* in a mapping; NULL elsewhere */
  char *anchor;             /* that aliases copy it by, or NULL */
  int index;                /* in a list */
  const facet_tree *parent; /* NULL: the root */
  const char *file;         /* the path as the user gave it; the caller's */
  int count;                /* children of a list or mapping, in the order of the file */
  facet_tree **child;
};

/* Parses one YAML document; `file` is for messages and must outlive the tree. Aliases are copied to where they stand.
 * FACET_BAD_INPUT "FILE:LINE: ...": syntax, a tab, an empty file, a second document, a key given twice, tags. */
facet_status facet_tree_read(const char *file, const uint8_t *bytes, size_t count, facet_tree **root);
void facet_tree_destroy(facet_tree **root);

const facet_tree *facet_tree_find(const facet_tree *mapping, const char *key); /* NULL: not there */
/* A value, or a list of values, seen as a list. */
int facet_tree_items(const facet_tree *node);
const facet_tree *facet_tree_item(const facet_tree *node, int i);
/* What a node is, for messages: "'four'" (shortened when long), "a list", "a mapping", "nothing". Valid for 4 calls. */
const char *facet_tree_what(const facet_tree *node);

/* Raises FACET_BAD_INPUT "FILE:LINE: variants[2].sparsity: ...". */
facet_status facet_tree_raise(const facet_tree *node, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a node that is not what is `wanted`: "'four' is not a whole number". */
facet_status facet_tree_raise_kind(const facet_tree *node, const char *wanted);
/* The same for a child that is not there, `key`. */
facet_status facet_tree_raise_at(const facet_tree *mapping, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
