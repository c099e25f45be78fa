/* YAML into a tree of nodes with lines.  libyaml parses (libcyaml, which stands on it, can neither check ranges nor
 * take "a number or a list", and tells a missing key by the line of another); everything a message needs is kept. */
#include "study_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum {
  MAX_DEPTH = 32,     /* a study needs 5; libyaml's time grows with the square of the nesting */
  MAX_NODES = 200000, /* aliases of aliases multiply */
  MAX_KEYS = 256,     /* of one mapping */
  MAX_ANCHORS = 256,
  LONGEST_SHOWN = 40 /* bytes of a value in a message */
};

/* ---- messages ---- */

/* Appends the path of a node, "variants[2].sparsity", to what is in `path`. */
static void append_path(const facet_tree *node, char *path, size_t size)
{
  if (!node->parent)
    return;
  append_path(node->parent, path, size);
  if (node->key)
    facet_append(path, size, ".", "%s", node->key);
  else
    facet_append(path, size, "", "[%d]", node->index);
}

static facet_status raise_text(const facet_tree *node, const char *key, const char *format, va_list arguments)
{
  char path[512] = "", text[1024];
  append_path(node, path, sizeof path);
  if (key)
    facet_append(path, sizeof path, ".", "%s", key);
  vsnprintf(text, sizeof text, format, arguments);
  return facet_raise(FACET_BAD_INPUT, "%s:%d: %s%s%s", node->file, node->line, path, path[0] ? ": " : "", text);
}

facet_status facet_tree_raise(const facet_tree *node, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  facet_status status = raise_text(node, NULL, format, arguments);
  va_end(arguments);
  return status;
}

facet_status facet_tree_raise_at(const facet_tree *mapping, const char *key, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  facet_status status = raise_text(mapping, key, format, arguments);
  va_end(arguments);
  return status;
}

facet_status facet_tree_raise_kind(const facet_tree *node, const char *wanted)
{
  if (node->kind == FACET_TREE_SCALAR && node->text[0] == '\0' && !node->quoted)
    return facet_tree_raise(node, "nothing is given; %s is wanted", wanted);
  return facet_tree_raise(node, "%s is not %s", facet_tree_what(node), wanted);
}

const char *facet_tree_what(const facet_tree *node)
{
  static char shown[4][LONGEST_SHOWN + 8];
  static int turn;
  if (node->kind == FACET_TREE_LIST)
    return "a list";
  if (node->kind == FACET_TREE_MAPPING)
    return "a mapping";
  if (node->text[0] == '\0' && !node->quoted)
    return "nothing";
  size_t length = strlen(node->text);
  bool cut = length > LONGEST_SHOWN;
  if (cut) {
    length = LONGEST_SHOWN;
    while (length > 0 && ((unsigned char)node->text[length] & 0xC0) == 0x80)
      length--; /* not in the middle of a UTF-8 character */
  }
  turn = (turn + 1) % 4;
  snprintf(shown[turn], sizeof shown[turn], "'%.*s%s'", (int)length, node->text, cut ? "..." : "");
  return shown[turn];
}

/* ---- the tree ---- */

void facet_tree_destroy(facet_tree **root)
{
  if (!root || !*root)
    return;
  for (int i = 0; i < (*root)->count; i++)
    facet_tree_destroy(&(*root)->child[i]);
  FACET_FREE(&(*root)->child, &(*root)->text, &(*root)->key, &(*root)->anchor, root);
}

const facet_tree *facet_tree_find(const facet_tree *mapping, const char *key)
{
  for (int i = 0; i < mapping->count; i++)
    if (mapping->child[i]->key && strcmp(mapping->child[i]->key, key) == 0)
      return mapping->child[i];
  return NULL;
}

int facet_tree_items(const facet_tree *node)
{
  return node->kind == FACET_TREE_LIST ? node->count : 1;
}

const facet_tree *facet_tree_item(const facet_tree *node, int i)
{
  return node->kind == FACET_TREE_LIST ? node->child[i] : node;
}

/* ---- from libyaml's events to the tree ---- */

typedef struct {
  const char *file, *bytes;
  size_t count;
  yaml_parser_t parser;
  yaml_event_t event; /* the present one */
  facet_tree *root;
  char *key; /* of the next node, which takes it; NULL where it has none */
  int nodes, anchors;
  const facet_tree *anchor[MAX_ANCHORS];
} reader;

static int line_of_byte(const reader *r, size_t byte)
{
  int line = 1;
  for (size_t i = 0; i < byte && i < r->count; i++)
    line += r->bytes[i] == '\n';
  return line;
}

/* Whether the given line (from 1) is indented with a tab. */
static bool tab_indents(const char *bytes, size_t line)
{
  for (; line > 1 && bytes; line--) {
    bytes = strchr(bytes, '\n');
    bytes = bytes ? bytes + 1 : NULL;
  }
  return bytes && bytes[strspn(bytes, " ")] == '\t';
}

static facet_status raise_syntax(const reader *r)
{
  const char *problem = r->parser.problem ? r->parser.problem : "not understood";
  size_t line = r->parser.problem_mark.line + 1;
  if (r->parser.error == YAML_MEMORY_ERROR)
    return facet_raise(FACET_OS, "out of memory");
  if (r->parser.error == YAML_READER_ERROR)
    return facet_raise(FACET_BAD_INPUT, "%s:%d: not YAML: %s", r->file, line_of_byte(r, r->parser.problem_offset),
                       problem);
  if (tab_indents(r->bytes, line))
    return facet_raise(FACET_BAD_INPUT, "%s:%zu: a tab: YAML is indented with spaces", r->file, line);
  return facet_raise(FACET_BAD_INPUT, "%s:%zu: not YAML: %s", r->file, line, problem);
}

static facet_status next(reader *r)
{
  yaml_event_delete(&r->event);
  return yaml_parser_parse(&r->parser, &r->event) ? FACET_OK : raise_syntax(r);
}

static int line_of(const reader *r)
{
  return (int)r->event.start_mark.line + 1;
}

/* Bytes of a scalar as a text; control characters have no meaning in any value and would break messages. */
static facet_status take_text(const reader *r, char **text)
{
  size_t length = r->event.data.scalar.length;
  const yaml_char_t *value = r->event.data.scalar.value;
  for (size_t i = 0; i < length; i++)
    FACET_CHECK(value[i] >= ' ' && value[i] != 127, FACET_BAD_INPUT,
                "%s:%d: a value of several lines, or with control characters in it", r->file, line_of(r));
  FACET_NEW(*text, length + 1);
  memcpy(*text, value, length);
  return FACET_OK;
}

/* A new node, the last child of its parent, which owns it; the first one is the root. */
static facet_status add_node(reader *r, facet_tree *parent, int line, facet_tree **out)
{
  int depth = 0;
  for (const facet_tree *above = parent; above; above = above->parent)
    depth++;
  FACET_CHECK(depth <= MAX_DEPTH, FACET_BAD_INPUT, "%s:%d: nested more than %d deep", r->file, line, MAX_DEPTH);
  FACET_CHECK(++r->nodes <= MAX_NODES, FACET_BAD_INPUT, "%s:%d: more than %d values", r->file, line, MAX_NODES);
  int count = parent ? parent->count : 0;
  if (parent && (count & (count - 1)) == 0) /* room for twice as many */
    FACET_TRY(facet_grow(&parent->child, (size_t)count, (size_t)(count ? 2 * count : 1), sizeof(facet_tree *)));
  FACET_NEW(*out, 1);
  **out = (facet_tree){.line = line, .parent = parent, .file = r->file, .index = count, .key = r->key};
  r->key = NULL;
  if (!parent) {
    r->root = *out;
    return FACET_OK;
  }
  parent->child[parent->count++] = *out;
  const facet_tree *before = (*out)->key ? facet_tree_find(parent, (*out)->key) : *out;
  return before == *out ? FACET_OK : facet_tree_raise(*out, "given twice, first on line %d", before->line);
}

static facet_status copy_node(reader *r, const facet_tree *from, facet_tree *parent, int line)
{
  facet_tree *node = NULL;
  FACET_TRY(add_node(r, parent, line, &node));
  node->kind = from->kind;
  node->quoted = from->quoted;
  if (from->text && !(node->text = facet_copy_text(from->text)))
    return FACET_OS;
  for (int i = 0; i < from->count; i++) {
    if (from->child[i]->key && !(r->key = facet_copy_text(from->child[i]->key)))
      return FACET_OS;
    FACET_TRY(copy_node(r, from->child[i], node, from->child[i]->line));
  }
  return FACET_OK;
}

/* NULL: there is none before. */
static const facet_tree *find_anchor(const reader *r, const yaml_char_t *name)
{
  for (int i = 0; i < r->anchors; i++)
    if (strcmp(r->anchor[i]->anchor, (const char *)name) == 0)
      return r->anchor[i];
  return NULL;
}

/* What the first event of a node says of it, beside what it is. */
static facet_status describe(const reader *r, const yaml_char_t *tag, const char *usual, const yaml_char_t *anchor,
                             facet_tree *node)
{
  bool as_usual = !tag || strcmp((const char *)tag, "!") == 0 || strcmp((const char *)tag, usual) == 0;
  FACET_CHECK(as_usual, FACET_BAD_INPUT, "%s:%d: tags (%.60s) have no place in a study", r->file, line_of(r),
              (const char *)tag);
  FACET_CHECK(!anchor || !find_anchor(r, anchor), FACET_BAD_INPUT, "%s:%d: not YAML: found duplicate anchor", r->file,
              line_of(r));
  node->anchor = facet_copy_text((const char *)anchor);
  return anchor && !node->anchor ? FACET_OS : FACET_OK;
}

static bool is_null(const char *text)
{
  return strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

static facet_status read_scalar(const reader *r, facet_tree *node)
{
  FACET_TRY(describe(r, r->event.data.scalar.tag, YAML_STR_TAG, r->event.data.scalar.anchor, node));
  node->kind = FACET_TREE_SCALAR;
  node->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
  FACET_TRY(take_text(r, &node->text));
  if (!node->quoted && is_null(node->text))
    node->text[0] = '\0';
  return FACET_OK;
}

static facet_status read_node(reader *r, facet_tree *parent, int line);

static facet_status read_list(reader *r, facet_tree *node)
{
  FACET_TRY(describe(r, r->event.data.sequence_start.tag, YAML_SEQ_TAG, r->event.data.sequence_start.anchor, node));
  node->kind = FACET_TREE_LIST;
  for (;;) {
    FACET_TRY(next(r));
    if (r->event.type == YAML_SEQUENCE_END_EVENT)
      return FACET_OK;
    FACET_TRY(read_node(r, node, line_of(r)));
  }
}

static facet_status read_mapping(reader *r, facet_tree *node)
{
  FACET_TRY(describe(r, r->event.data.mapping_start.tag, YAML_MAP_TAG, r->event.data.mapping_start.anchor, node));
  node->kind = FACET_TREE_MAPPING;
  for (;;) {
    FACET_TRY(next(r));
    int line = line_of(r);
    if (r->event.type == YAML_MAPPING_END_EVENT)
      return FACET_OK;
    FACET_CHECK(r->event.type == YAML_SCALAR_EVENT, FACET_BAD_INPUT, "%s:%d: a key that is a list or a mapping",
                r->file, line);
    FACET_CHECK(node->count < MAX_KEYS, FACET_BAD_INPUT, "%s:%d: a mapping of more than %d keys", r->file, line,
                MAX_KEYS);
    FACET_TRY(take_text(r, &r->key));
    FACET_TRY(next(r));
    FACET_TRY(read_node(r, node, line));
  }
}

/* The node that the present event begins; an alias stands for a copy. */
static facet_status read_node(reader *r, facet_tree *parent, int line)
{
  facet_tree *node = NULL;
  if (r->event.type == YAML_ALIAS_EVENT) {
    const facet_tree *from = find_anchor(r, r->event.data.alias.anchor);
    FACET_CHECK(from, FACET_BAD_INPUT, "%s:%d: not YAML: found undefined alias", r->file, line_of(r));
    return copy_node(r, from, parent, line);
  }
  FACET_TRY(add_node(r, parent, line, &node));
  FACET_TRY(r->event.type == YAML_SCALAR_EVENT           ? read_scalar(r, node)
            : r->event.type == YAML_SEQUENCE_START_EVENT ? read_list(r, node)
                                                         : read_mapping(r, node));
  if (!node->anchor)
    return FACET_OK;
  FACET_CHECK(r->anchors < MAX_ANCHORS, FACET_BAD_INPUT, "%s:%d: more than %d anchors", r->file, line, MAX_ANCHORS);
  r->anchor[r->anchors++] = node;
  return FACET_OK;
}

/* One document, with something in it, and nothing behind it. */
static facet_status read_document(reader *r)
{
  FACET_TRY(next(r)); /* the stream */
  FACET_TRY(next(r));
  bool nothing = r->event.type == YAML_STREAM_END_EVENT;
  if (!nothing) {
    FACET_TRY(next(r));
    nothing = r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.length == 0;
  }
  FACET_CHECK(!nothing, FACET_BAD_INPUT, "%s:1: the file is empty", r->file);
  FACET_TRY(read_node(r, NULL, line_of(r)));
  FACET_TRY(next(r)); /* the document's end */
  FACET_TRY(next(r));
  FACET_CHECK(r->event.type == YAML_STREAM_END_EVENT, FACET_BAD_INPUT, "%s:%d: a second document; a study is one",
              r->file, line_of(r));
  return FACET_OK;
}

facet_status facet_tree_read(const char *file, const uint8_t *bytes, size_t count, facet_tree **root)
{
  reader r = {.file = file, .bytes = (const char *)bytes, .count = count};
  *root = NULL;
  FACET_CHECK(yaml_parser_initialize(&r.parser), FACET_OS, "out of memory");
  yaml_parser_set_input_string(&r.parser, bytes, count);
  facet_status status = read_document(&r);
  yaml_event_delete(&r.event);
  yaml_parser_delete(&r.parser);
  facet_free(&r.key);
  if (status == FACET_OK)
    *root = r.root;
  else
    facet_tree_destroy(&r.root);
  return status;
}
