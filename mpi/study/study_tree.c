/* YAML into a tree of nodes with lines.  libyaml parses (libcyaml, which stands on it, can neither check ranges nor
 * take "a number or a list", and tells a missing key by the line of another); everything a message needs is kept. */
#include "study_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum {
  MAX_DEPTH = 32,     /* a study needs 5; an alias inside of what it stands for has no end */
  MAX_NODES = 200000, /* aliases of aliases multiply */
  MAX_KEYS = 256,     /* of one mapping */
  LONGEST_SHOWN = 40  /* bytes of a value in a message */
};

typedef struct {
  const char *file;
  yaml_document_t *document;
  int nodes; /* made so far */
} builder;

static facet_status build(builder *b, int number, const facet_tree *parent, int depth, facet_tree **out);

/* ---- messages ---- */

/* Appends the path of a node, "variants[2].sparsity", to what is in `path`. */
static void append_path(const facet_tree *node, char *path, size_t size)
{
  if (!node->parent)
    return;
  append_path(node->parent, path, size);
  size_t length = strlen(path);
  if (!node->key)
    snprintf(path + length, size - length, "[%d]", node->index);
  else
    snprintf(path + length, size - length, "%s%s", length > 0 ? "." : "", node->key);
}

static facet_status raise_text(const facet_tree *node, const char *key, const char *format, va_list arguments)
{
  char path[512] = "", text[1024];
  append_path(node, path, sizeof path);
  size_t length = strlen(path);
  if (key)
    snprintf(path + length, sizeof path - length, "%s%s", length > 0 ? "." : "", key);
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
  FACET_FREE(&(*root)->child, &(*root)->text, &(*root)->key, root);
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

/* Bytes of a scalar as a text; control characters have no meaning in any value and would break messages. */
static facet_status scalar_text(const builder *b, const yaml_node_t *node, char **text)
{
  size_t length = node->data.scalar.length;
  for (size_t i = 0; i < length; i++)
    FACET_CHECK(node->data.scalar.value[i] >= ' ' && node->data.scalar.value[i] != 127, FACET_BAD_INPUT,
                "%s:%zu: a value of several lines, or with control characters in it", b->file,
                node->start_mark.line + 1);
  FACET_NEW(*text, length + 1);
  memcpy(*text, node->data.scalar.value, length);
  return FACET_OK;
}

static facet_status check_tag(const builder *b, const yaml_node_t *node, const char *usual)
{
  FACET_CHECK(node->tag && strcmp((const char *)node->tag, usual) == 0, FACET_BAD_INPUT,
              "%s:%zu: tags (%.60s) have no place in a study", b->file, node->start_mark.line + 1,
              node->tag ? (const char *)node->tag : "!");
  return FACET_OK;
}

static bool is_null(const char *text)
{
  return strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

static facet_status build_scalar(const builder *b, const yaml_node_t *from, facet_tree *node)
{
  node->kind = FACET_TREE_SCALAR;
  node->quoted = from->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
  FACET_TRY(check_tag(b, from, YAML_STR_TAG));
  FACET_TRY(scalar_text(b, from, &node->text));
  if (!node->quoted && is_null(node->text))
    node->text[0] = '\0';
  return FACET_OK;
}

static facet_status build_list(builder *b, const yaml_node_t *from, int depth, facet_tree *node)
{
  node->kind = FACET_TREE_LIST;
  FACET_TRY(check_tag(b, from, YAML_SEQ_TAG));
  int count = (int)(from->data.sequence.items.top - from->data.sequence.items.start);
  FACET_NEW(node->child, count);
  for (int i = 0; i < count; i++) {
    FACET_TRY(build(b, from->data.sequence.items.start[i], node, depth + 1, &node->child[i]));
    node->child[i]->index = i;
    node->count = i + 1;
  }
  return FACET_OK;
}

/* One key and its value; the child is not yet among those of `node`. */
static facet_status build_pair(builder *b, const yaml_node_pair_t *pair, int depth, const facet_tree *node,
                               facet_tree **child)
{
  const yaml_node_t *key = yaml_document_get_node(b->document, pair->key);
  FACET_CHECK(key->type == YAML_SCALAR_NODE, FACET_BAD_INPUT, "%s:%zu: a key that is a list or a mapping", b->file,
              key->start_mark.line + 1);
  char *name = NULL;
  FACET_TRY(scalar_text(b, key, &name));
  facet_status status = build(b, pair->value, node, depth + 1, child);
  if (status != FACET_OK) {
    facet_free(&name);
    return status;
  }
  (*child)->key = name;
  (*child)->line = (int)key->start_mark.line + 1;
  const facet_tree *before = facet_tree_find(node, name);
  return before ? facet_tree_raise(*child, "given twice, first on line %d", before->line) : FACET_OK;
}

static facet_status build_mapping(builder *b, const yaml_node_t *from, int depth, facet_tree *node)
{
  node->kind = FACET_TREE_MAPPING;
  FACET_TRY(check_tag(b, from, YAML_MAP_TAG));
  const yaml_node_pair_t *pair = from->data.mapping.pairs.start;
  ptrdiff_t count = from->data.mapping.pairs.top - pair;
  FACET_CHECK(count <= MAX_KEYS, FACET_BAD_INPUT, "%s:%d: a mapping of %td keys", b->file, node->line, count);
  FACET_NEW(node->child, count);
  for (ptrdiff_t i = 0; i < count; i++) {
    facet_tree *child = NULL;
    facet_status status = build_pair(b, &pair[i], depth, node, &child);
    if (status != FACET_OK) {
      facet_tree_destroy(&child);
      return status;
    }
    node->child[node->count++] = child;
  }
  return FACET_OK;
}

static facet_status build(builder *b, int number, const facet_tree *parent, int depth, facet_tree **out)
{
  const yaml_node_t *from = yaml_document_get_node(b->document, number);
  int line = (int)from->start_mark.line + 1;
  FACET_CHECK(depth <= MAX_DEPTH, FACET_BAD_INPUT, "%s:%d: nested more than %d deep", b->file, line, MAX_DEPTH);
  FACET_CHECK(++b->nodes <= MAX_NODES, FACET_BAD_INPUT, "%s:%d: more than %d values", b->file, line, MAX_NODES);
  facet_tree *node = NULL;
  FACET_NEW(node, 1);
  *node = (facet_tree){.line = line, .parent = parent, .file = b->file};
  facet_status status = from->type == YAML_SCALAR_NODE     ? build_scalar(b, from, node)
                        : from->type == YAML_SEQUENCE_NODE ? build_list(b, from, depth, node)
                                                           : build_mapping(b, from, depth, node);
  if (status != FACET_OK)
    facet_tree_destroy(&node);
  *out = node;
  return status;
}

/* ---- libyaml ---- */

static int line_of_byte(const uint8_t *bytes, size_t count, size_t byte)
{
  int line = 1;
  for (size_t i = 0; i < byte && i < count; i++)
    line += bytes[i] == '\n';
  return line;
}

/* Whether the given line (from 1) is indented with a tab. */
static bool tab_indents(const char *bytes, size_t line)
{
  for (; line > 1 && bytes; line--) {
    bytes = strchr(bytes, '\n');
    bytes += bytes != NULL;
  }
  return bytes && bytes[strspn(bytes, " ")] == '\t';
}

static facet_status raise_syntax(const char *file, const yaml_parser_t *parser, const uint8_t *bytes, size_t count)
{
  const char *problem = parser->problem ? parser->problem : "not understood";
  if (parser->error == YAML_MEMORY_ERROR)
    return facet_raise(FACET_OS, "out of memory");
  if (parser->error == YAML_READER_ERROR)
    return facet_raise(FACET_BAD_INPUT, "%s:%d: not YAML: %s", file, line_of_byte(bytes, count, parser->problem_offset),
                       problem);
  size_t line = parser->problem_mark.line + 1;
  if (tab_indents((const char *)bytes, line))
    return facet_raise(FACET_BAD_INPUT, "%s:%zu: a tab: YAML is indented with spaces", file, line);
  return facet_raise(FACET_BAD_INPUT, "%s:%zu: not YAML: %s", file, line, problem);
}

/* Looks at the nesting alone, before anything is built: libyaml's time grows with its square. What is wrong with the
 * syntax comes up when the document is loaded. */
static facet_status check_depth(const char *file, const uint8_t *bytes, size_t count)
{
  yaml_parser_t parser;
  yaml_event_t event;
  FACET_CHECK(yaml_parser_initialize(&parser), FACET_OS, "out of memory");
  yaml_parser_set_input_string(&parser, bytes, count);
  int depth = 0;
  size_t line = 0;
  for (bool more = true; more && depth <= MAX_DEPTH; yaml_event_delete(&event)) {
    if (!yaml_parser_parse(&parser, &event))
      break;
    more = event.type != YAML_STREAM_END_EVENT;
    depth += event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
    depth -= event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
    line = event.start_mark.line + 1;
  }
  yaml_parser_delete(&parser);
  FACET_CHECK(depth <= MAX_DEPTH, FACET_BAD_INPUT, "%s:%zu: nested more than %d deep", file, line, MAX_DEPTH);
  return FACET_OK;
}

/* The stream holds nothing after the first document. */
static facet_status check_single(const char *file, yaml_parser_t *parser, const uint8_t *bytes, size_t count)
{
  yaml_document_t next;
  if (!yaml_parser_load(parser, &next))
    return raise_syntax(file, parser, bytes, count);
  bool more = yaml_document_get_root_node(&next) != NULL;
  size_t line = next.start_mark.line + 1;
  yaml_document_delete(&next);
  FACET_CHECK(!more, FACET_BAD_INPUT, "%s:%zu: a second document; a study is one", file, line);
  return FACET_OK;
}

static facet_status build_document(const char *file, yaml_document_t *document, facet_tree **root)
{
  const yaml_node_t *top = yaml_document_get_root_node(document);
  bool nothing = !top || (top->type == YAML_SCALAR_NODE && top->data.scalar.length == 0);
  FACET_CHECK(!nothing, FACET_BAD_INPUT, "%s:1: the file is empty", file);
  builder b = {.file = file, .document = document};
  return build(&b, 1, NULL, 0, root);
}

facet_status facet_tree_read(const char *file, const uint8_t *bytes, size_t count, facet_tree **root)
{
  *root = NULL;
  FACET_TRY(check_depth(file, bytes, count));
  yaml_parser_t parser;
  FACET_CHECK(yaml_parser_initialize(&parser), FACET_OS, "out of memory");
  yaml_parser_set_input_string(&parser, bytes, count);
  yaml_document_t document;
  facet_status status = FACET_OK;
  if (!yaml_parser_load(&parser, &document)) {
    status = raise_syntax(file, &parser, bytes, count);
  } else {
    status = build_document(file, &document, root);
    yaml_document_delete(&document);
    if (status == FACET_OK)
      status = check_single(file, &parser, bytes, count);
    if (status != FACET_OK)
      facet_tree_destroy(root);
  }
  yaml_parser_delete(&parser);
  return status;
}
