/* Operator sets: which ones facet knows, and what operators meant in the first of them.
 *
 * Operators are read as operator sets 7 to 25 define them.  Where a difference shows in the file (an attribute that
 * became an input, for one), the operator's own row in src/net sees it; what an old file means differently without
 * showing it is refused here. */
#include <string.h>

#include "graph.h"

enum { NEWEST = 25 };

bool facet_onnx_standard(const char *domain)
{
  return !domain || !domain[0] || strcmp(domain, "ai.onnx") == 0;
}

int facet_onnx_imported(size_t count, Onnx__OperatorSetIdProto *const *import)
{
  for (size_t i = 0; i < count; i++)
    if (facet_onnx_standard(import[i]->domain) && import[i]->has_version)
      return import[i]->version > 0 && import[i]->version <= INT16_MAX ? (int)import[i]->version : 0;
  return 0;
}

facet_status facet_onnx_opset(const Onnx__ModelProto *model, int *opset)
{
  *opset = facet_onnx_imported(model->n_opset_import, model->opset_import);
  FACET_CHECK(*opset > 0, FACET_BAD_INPUT, "names no ONNX operator set");
  FACET_CHECK(*opset <= NEWEST, FACET_BAD_INPUT, "operator set %d is not known: at most %d are supported", *opset,
              NEWEST);
  return FACET_OK;
}

/* What the named attribute changes, up to the operator set before `until`. */
static const struct {
  const char *type;
  int until;
  const char *attribute; /* NULL: always */
  const char *why;
} olds[] = {
    {"Add", 7, "axis", "spreading along an axis"},
    {"Sub", 7, "axis", "spreading along an axis"},
    {"Mul", 7, "axis", "spreading along an axis"},
    {"Div", 7, "axis", "spreading along an axis"},
    {"Pow", 7, "axis", "spreading along an axis"},
    {"And", 7, "axis", "spreading along an axis"},
    {"Or", 7, "axis", "spreading along an axis"},
    {"Equal", 7, "axis", "spreading along an axis"},
    {"Less", 7, "axis", "spreading along an axis"},
    {"Greater", 7, "axis", "spreading along an axis"},
    {"Cast", 6, NULL, "a type that is given by its name"},
    {"Pad", 2, NULL, "the attribute paddings"},
    {"Tile", 6, NULL, "tiling along one axis"},
    {"Upsample", 7, NULL, "enlarging by the attributes height_scale and width_scale"},
};

static facet_status check_table(const Onnx__NodeProto *p, int opset)
{
  for (size_t i = 0; i < sizeof olds / sizeof olds[0]; i++) {
    bool meant = opset < olds[i].until && strcmp(p->op_type, olds[i].type) == 0 &&
                 (!olds[i].attribute || facet_onnx_attribute(p, olds[i].attribute));
    FACET_CHECK(!meant, FACET_BAD_INPUT, "%s, as in operator set %d, is not supported", olds[i].why, opset);
  }
  return FACET_OK;
}

facet_status facet_onnx_check_old(const Onnx__NodeProto *p, int opset)
{
  bool norm = strcmp(p->op_type, "BatchNormalization") == 0;
  if (norm && opset < 9) {
    const Onnx__AttributeProto *spatial = facet_onnx_attribute(p, "spatial");
    FACET_CHECK(!spatial || spatial->i != 0, FACET_BAD_INPUT,
                "spatial is off: statistics for each position, as before operator set 9, are not supported");
  }
  if (opset >= 7)
    return FACET_OK;
  FACET_TRY(check_table(p, opset));
  if (norm || strcmp(p->op_type, "Dropout") == 0) {
    const Onnx__AttributeProto *test = facet_onnx_attribute(p, "is_test");
    FACET_CHECK(test && test->i != 0, FACET_BAD_INPUT, "is_test is off: export the network in evaluation mode");
  }
  return FACET_OK;
}
