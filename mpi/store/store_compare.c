/* What is said of variants, conditions and samples beside their means: the arrays of /summary, /fragility and
 * /similarity, in one table, created with the store and filled when the tiles are done (compare.c, compare_items.c). */
#include <stdio.h>
#include <string.h>

#include "stages/compare.h"

/* One letter for each dimension. */
static const struct {
  const char *path, *dims;
  char type; /* d: f64, i: i32, l: i64, u: u8 */
} arrays[] = {
    {"/summary/angle_deviation", "VC", 'd'},
    {"/summary/length_deviation", "VC", 'd'},
    {"/summary/margin_deviation", "VC", 'd'},
    {"/summary/ece", "VC", 'd'},
    {"/summary/by_class/accuracy_mean", "VCK", 'd'},
    {"/summary/by_class/angle_mean", "VCK", 'd'},
    {"/summary/by_class/length_mean", "VCK", 'd'},
    {"/summary/by_class/margin_mean", "VCK", 'd'},
    {"/summary/by_class/angle_deviation", "VCK", 'd'},
    {"/summary/by_class/length_deviation", "VCK", 'd'},
    {"/summary/by_class/margin_deviation", "VCK", 'd'},
    {"/summary/agreement", "CVV", 'd'},
    {"/summary/mean_error", "V", 'd'},
    {"/summary/mce", "V", 'd'},
    {"/summary/relative_mce", "V", 'd'},
    {"/summary/corruption_error", "VX", 'd'},
    {"/summary/relative_corruption_error", "VX", 'd'},
    {"/summary/redundancy", "VXX", 'd'},
    {"/fragility/flips", "N", 'i'},
    {"/fragility/worst_margin", "N", 'd'},
    {"/fragility/margin_drop", "N", 'd'},
    {"/fragility/exemplar", "N", 'u'},
    {"/fragility/rank", "P", 'l'},
    {"/fragility/class_rank", "KQ", 'l'},
    {"/fragility/first_lost", "MN", 'd'},
    {"/similarity/distance", "II", 'd'},
    {"/similarity/layout", "IA", 'd'},
    {"/similarity/order", "L", 'l'},
    {"/similarity/linkage", "TF", 'd'},
};
enum { ARRAYS = sizeof arrays / sizeof arrays[0], LETTERS = 26 };

/* ---- which corruptions, methods and items there are ---- */

static int add_name(char **name, int count, char *text)
{
  for (int i = 0; i < count; i++)
    if (strcmp(name[i], text) == 0) {
      facet_free(&text);
      return count;
    }
  name[count] = text;
  return count + 1;
}

static char *corruption_of(const char *condition)
{
  const char *slash = strrchr(condition, '/');
  return slash ? facet_format("%.*s", (int)(slash - condition), condition) : NULL;
}

static char *method_of(const facet_store_variant *v)
{
  bool pruned = strcmp(v->method, "dense") != 0 && strcmp(v->method, "external") != 0 && strcmp(v->method, "mask") != 0;
  if (!pruned)
    return NULL;
  return v->scope[0] ? facet_format("%s-%s", v->method, v->scope) : facet_copy_text(v->method);
}

static facet_status name_corruptions(const facet_store_plan *p, facet_compare_names *n)
{
  FACET_NEW(n->corruption, p->conditions);
  FACET_NEW(n->corruption_of, p->conditions);
  for (int c = 0; c < p->conditions; c++) {
    n->corruption_of[c] = -1;
    if (p->study->conditions.item[c].corruption == 0)
      continue;
    char *text = corruption_of(p->condition[c]);
    if (!text)
      return FACET_OS;
    n->corruptions = add_name(n->corruption, n->corruptions, text);
    text = corruption_of(p->condition[c]);
    for (int i = 0; text && i < n->corruptions; i++)
      if (strcmp(n->corruption[i], text) == 0)
        n->corruption_of[c] = i;
    facet_free(&text);
  }
  return FACET_OK;
}

static facet_status name_methods(const facet_store_plan *p, facet_compare_names *n)
{
  FACET_NEW(n->method, p->variants);
  FACET_NEW(n->method_of, p->variants);
  for (int v = 0; v < p->variants; v++) {
    n->method_of[v] = -1;
    char *text = method_of(&p->variant[v]), *again = method_of(&p->variant[v]);
    if (text)
      n->methods = add_name(n->method, n->methods, text);
    for (int i = 0; again && i < n->methods; i++)
      if (strcmp(n->method[i], again) == 0)
        n->method_of[v] = i;
    facet_free(&again);
  }
  return FACET_OK;
}

int64_t facet_compare_count(const facet_store_plan *p)
{
  int64_t items = (int64_t)p->variants * p->conditions;
  return items < 2 || items > FACET_MOST_ITEMS ? 0 : items;
}

facet_status facet_compare_names_make(const facet_store_plan *p, facet_compare_names *n)
{
  *n = (facet_compare_names){.items = facet_compare_count(p)};
  FACET_TRY(name_corruptions(p, n));
  FACET_TRY(name_methods(p, n));
  FACET_NEW(n->item, n->items);
  for (int64_t i = 0; i < n->items; i++)
    if (!(n->item[i] = facet_format("%s, %s", p->variant[i / p->conditions].name, p->condition[i % p->conditions])))
      return FACET_OS;
  return FACET_OK;
}

void facet_compare_names_clear(facet_compare_names *n)
{
  for (int i = 0; n->corruption && i < n->corruptions; i++)
    facet_free(&n->corruption[i]);
  for (int i = 0; n->method && i < n->methods; i++)
    facet_free(&n->method[i]);
  for (int64_t i = 0; n->item && i < n->items; i++)
    facet_free(&n->item[i]);
  facet_free(&n->corruption);
  facet_free(&n->corruption_of);
  facet_free(&n->method);
  facet_free(&n->method_of);
  facet_free(&n->item);
}

/* ---- creating ---- */

static facet_status make_scales(const facet_store_creation *c, const facet_compare_names *n, hid_t scale[LETTERS])
{
  const facet_store_plan *p = c->plan;
  int64_t ranked = p->samples < FACET_CLASS_RANKS ? p->samples : FACET_CLASS_RANKS;
  static const char *const axes[] = {"x", "y"}, *const columns[] = {"first", "second", "distance", "items"};
  scale['V' - 'A'] = c->variant;
  scale['C' - 'A'] = c->condition;
  scale['K' - 'A'] = c->class;
  scale['N' - 'A'] = c->sample;
  FACET_TRY(facet_store_make_counting(c, "/fragility/place", p->samples, 1, &scale['P' - 'A']));
  FACET_TRY(facet_store_make_counting(c, "/fragility/class_place", ranked, 1, &scale['Q' - 'A']));
  if (n->corruptions > 0)
    FACET_TRY(facet_store_make_names(c, "/corruption", n->corruptions, (const char *const *)n->corruption,
                                     &scale['X' - 'A']));
  if (n->methods > 0)
    FACET_TRY(
        facet_store_make_names(c, "/fragility/method", n->methods, (const char *const *)n->method, &scale['M' - 'A']));
  if (n->items == 0)
    return FACET_OK;
  FACET_TRY(facet_store_make_names(c, "/similarity/item", n->items, (const char *const *)n->item, &scale['I' - 'A']));
  FACET_TRY(facet_store_make_names(c, "/similarity/axis", 2, axes, &scale['A' - 'A']));
  FACET_TRY(facet_store_make_counting(c, "/similarity/leaf", n->items, 1, &scale['L' - 'A']));
  FACET_TRY(facet_store_make_counting(c, "/similarity/merge", n->items - 1, 1, &scale['T' - 'A']));
  return facet_store_make_names(c, "/similarity/column", 4, columns, &scale['F' - 'A']);
}

static facet_status make_array(const facet_store_creation *c, int i, const hid_t scale[LETTERS])
{
  hid_t dims[4] = {-1, -1, -1, -1}, type = H5T_IEEE_F64LE;
  int rank = (int)strlen(arrays[i].dims);
  for (int d = 0; d < rank; d++)
    if ((dims[d] = scale[arrays[i].dims[d] - 'A']) < 0)
      return FACET_OK; /* nothing of that kind is in the study */
  type = arrays[i].type == 'i' ? H5T_STD_I32LE : arrays[i].type == 'l' ? H5T_STD_I64LE : type;
  type = arrays[i].type == 'u' ? H5T_STD_U8LE : type;
  return facet_store_make(c, arrays[i].path, type, rank, dims);
}

static facet_status make_reference(const facet_store_creation *c)
{
  hid_t group = H5Gopen2(c->file, "/summary", H5P_DEFAULT);
  H5_CHECK(c->path, "/summary", group);
  facet_status status = facet_store_put_text(c, group, "reference", c->plan->variant[0].name);
  H5Gclose(group);
  return status;
}

facet_status facet_store_make_comparisons(const facet_store_creation *c)
{
  facet_compare_names names;
  hid_t scale[LETTERS];
  for (int i = 0; i < LETTERS; i++)
    scale[i] = -1;
  facet_status status = facet_compare_names_make(c->plan, &names);
  if (status == FACET_OK)
    status = make_scales(c, &names, scale);
  for (int i = 0; i < ARRAYS && status == FACET_OK; i++)
    status = make_array(c, i, scale);
  if (status == FACET_OK)
    status = make_reference(c);
  for (const char *letter = "PQXMIALTF"; *letter; letter++)
    if (scale[*letter - 'A'] >= 0)
      H5Dclose(scale[*letter - 'A']);
  facet_compare_names_clear(&names);
  return status;
}

double facet_store_compare_bytes(const facet_store_plan *p)
{
  double v = p->variants, c = p->conditions, k = p->classes, n = (double)p->samples, items = v * c;
  double bytes =
      8 * v * c * (4 + 7 * k + v) + n * (21 + 16 + 8 * v) + 8 * k * FACET_CLASS_RANKS + 8 * v * (3 + c * (2 + c));
  if (items <= FACET_MOST_ITEMS)
    bytes += items * (8 * items + 200);
  return bytes + ARRAYS * 700.0 + 6000;
}
