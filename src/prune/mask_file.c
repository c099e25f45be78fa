/* Masks in HDF5: below /masks one uint8 dataset per prunable layer, of the shape of its weights, 1 kept and 0 removed.
 * It is called as the weights' initializer is in ONNX, with | for / (which HDF5 keeps for groups); where there is none
 * of that name, the node's name counts. */
#include <string.h>

#include "base/hdf5_held.h"
#include "base/hdf5_turn.h"
#include "prune.h"

static const char GROUP[] = "masks", VERSION_NAME[] = "facet_masks";
enum { VERSION = 1 };

/* A name as HDF5 can have it. */
static char *link_name(const char *name)
{
  char *link = facet_copy_text(name);
  for (char *c = link; c && *c; c++)
    *c = *c == '/' ? '|' : *c;
  return link;
}

/* ---- writing: a file in memory, then whole to its place ---- */

static bool write_numbers(hid_t at, const char *name, hsize_t count, const int64_t *number)
{
  hid_t space = H5Screate_simple(1, &count, NULL);
  hid_t attribute = H5Acreate2(at, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
  bool good = attribute >= 0 && H5Awrite(attribute, H5T_NATIVE_INT64, number) >= 0;
  if (attribute >= 0)
    H5Aclose(attribute);
  H5Sclose(space);
  return good;
}

static bool write_text(hid_t at, const char *name, const char *text)
{
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, strlen(text) + 1);
  H5Tset_cset(type, H5T_CSET_UTF8);
  hid_t attribute = H5Acreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  bool good = attribute >= 0 && H5Awrite(attribute, type, text) >= 0;
  if (attribute >= 0)
    H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  return good;
}

static facet_status write_layer(const facet_network *network, const struct facet_mask_layer *layer, hid_t group)
{
  const facet_value *value = &network->value[layer->value];
  hsize_t dim[FACET_MAX_RANK];
  char *link = link_name(value->name);
  if (!link)
    return FACET_OS;
  for (int d = 0; d < value->shape.rank; d++)
    dim[d] = (hsize_t)value->shape.dim[d];
  hid_t space = H5Screate_simple(value->shape.rank, dim, NULL), list = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_obj_track_times(list, false); /* the bytes depend on the mask alone */
  hid_t set = H5Dcreate2(group, link, H5T_STD_U8LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
  bool good = set >= 0 && H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, layer->keep) >= 0 &&
              write_numbers(set, "shape", (hsize_t)value->shape.rank, value->shape.dim) &&
              write_numbers(set, "removed", 1, &layer->removed) && write_text(set, "initializer", value->name) &&
              write_text(set, "node", network->node[layer->node].name);
  if (set >= 0)
    H5Dclose(set);
  H5Pclose(list);
  H5Sclose(space);
  facet_status status = good ? FACET_OK : facet_raise(FACET_INTERNAL, "HDF5 cannot hold a mask called %s", value->name);
  facet_free(&link);
  return status;
}

static facet_status write_layers(const facet_network *network, const facet_mask *mask, hid_t file)
{
  int64_t version = VERSION;
  hid_t list = H5Pcreate(H5P_GROUP_CREATE);
  H5Pset_obj_track_times(list, false);
  hid_t group = H5Gcreate2(file, GROUP, H5P_DEFAULT, list, H5P_DEFAULT);
  H5Pclose(list);
  FACET_CHECK(group >= 0 && write_numbers(file, VERSION_NAME, 1, &version), FACET_INTERNAL,
              "HDF5 cannot write to memory");
  facet_status status = FACET_OK;
  for (int l = 0; l < mask->layers && status == FACET_OK; l++)
    status = write_layer(network, &mask->layer[l], group);
  H5Gclose(group);
  return status;
}

/* The bytes of a file that HDF5 keeps in memory. */
static facet_status file_image(hid_t file, uint8_t **bytes, size_t *count)
{
  ssize_t size = H5Fflush(file, H5F_SCOPE_GLOBAL) < 0 ? -1 : H5Fget_file_image(file, NULL, 0);
  FACET_CHECK(size > 0, FACET_INTERNAL, "HDF5 cannot write to memory");
  *count = (size_t)size;
  FACET_NEW(*bytes, *count);
  FACET_CHECK(H5Fget_file_image(file, *bytes, *count) == size, FACET_INTERNAL, "HDF5 cannot write to memory");
  return FACET_OK;
}

static facet_status write_file(const facet_network *network, const facet_mask *mask, const char *path)
{
  enum { STEP = 1 << 20 };
  uint8_t *bytes = NULL;
  size_t count = 0;
  hid_t list = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fapl_core(list, STEP, false);
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, list);
  H5Pclose(list);
  FACET_CHECK(file >= 0, FACET_CANNOT_CREATE, "%s: cannot be created", path);
  facet_status status;
  FACET_GO(done, status, write_layers(network, mask, file));
  FACET_GO(done, status, file_image(file, &bytes, &count));
  status = facet_write_file(path, bytes, count);
done:
  H5Fclose(file);
  facet_free(&bytes);
  return status;
}

facet_status facet_mask_write(const facet_network *network, const facet_mask *mask, const char *path)
{
  facet_status status;
  FACET_WITH_HDF5(status, write_file(network, mask, path));
  return status;
}

/* ---- reading ---- */

/* The link of a layer's mask below the group, in new memory; NULL text: there is none. */
static facet_status find_link(const facet_network *network, const struct facet_mask_layer *layer, hid_t group,
                              char **link)
{
  const char *const names[2] = {network->value[layer->value].name, network->node[layer->node].name};
  for (int i = 0; i < 2; i++) {
    *link = link_name(names[i]);
    if (!*link)
      return FACET_OS;
    if (**link && H5Lexists(group, *link, H5P_DEFAULT) > 0)
      return FACET_OK;
    facet_free(link);
  }
  return FACET_OK;
}

static facet_status check_shape(hid_t set, const char *name, facet_shape wanted)
{
  hid_t space = H5Dget_space(set), type = H5Dget_type(set);
  hsize_t dim[H5S_MAX_RANK] = {0};
  int rank = H5Sget_simple_extent_dims(space, dim, NULL);
  bool bytes = H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) == 1 && H5Tget_sign(type) == H5T_SGN_NONE;
  H5Sclose(space);
  H5Tclose(type);
  facet_shape shape = {.rank = rank < 0 || rank > FACET_MAX_RANK ? 0 : rank};
  for (int d = 0; d < shape.rank; d++)
    shape.dim[d] = (int64_t)dim[d];
  FACET_CHECK(bytes, FACET_BAD_INPUT, "mask %s is not of 8-bit unsigned integers", name);
  FACET_CHECK(rank <= FACET_MAX_RANK && facet_shape_same(shape, wanted), FACET_BAD_INPUT,
              "mask %s is %s but the weights are %s", name, facet_shape_text(shape), facet_shape_text(wanted));
  return FACET_OK;
}

static facet_status read_set(hid_t set, const char *name, facet_shape shape, struct facet_mask_layer *layer)
{
  FACET_TRY(check_shape(set, name, shape));
  FACET_CHECK(!facet_hdf5_elsewhere(set), FACET_BAD_INPUT, "the numbers of mask %s lie in other files", name);
  FACET_CHECK(facet_hdf5_can_fill(set), FACET_BAD_INPUT,
              "mask %s says more than its file can hold: truncated or damaged", name);
  FACET_CHECK(H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, layer->keep) >= 0, FACET_BAD_INPUT,
              "mask %s cannot be read: truncated or damaged", name);
  layer->removed = 0;
  for (int64_t i = 0; i < layer->size; i++) {
    FACET_CHECK(layer->keep[i] <= 1, FACET_BAD_INPUT, "mask %s holds %d at place %lld: only 0 and 1 make sense", name,
                layer->keep[i], (long long)i);
    layer->removed += !layer->keep[i];
  }
  return FACET_OK;
}

static facet_status read_layer(const facet_network *network, hid_t group, struct facet_mask_layer *layer)
{
  const facet_value *value = &network->value[layer->value];
  char *link;
  FACET_TRY(find_link(network, layer, group, &link));
  FACET_CHECK(link, FACET_BAD_INPUT, "has no mask for %s of node %s", value->name, network->node[layer->node].name);
  hid_t set = H5Dopen2(group, link, H5P_DEFAULT);
  facet_status status = set >= 0 ? read_set(set, value->name, value->shape, layer)
                                 : facet_raise(FACET_BAD_INPUT, "mask %s is no dataset", value->name);
  if (set >= 0)
    H5Dclose(set);
  facet_free(&link);
  return status;
}

/* FACET_BAD_INPUT if the link is the mask of no layer. */
static facet_status check_known(const facet_network *network, const facet_mask *mask, hid_t group, const char *name)
{
  bool known = false;
  for (int l = 0; l < mask->layers && !known; l++) {
    char *link;
    FACET_TRY(find_link(network, &mask->layer[l], group, &link));
    known = link && strcmp(link, name) == 0;
    facet_free(&link);
  }
  FACET_CHECK(known, FACET_BAD_INPUT, "mask %s is of no layer of network %s", name, network->name);
  return FACET_OK;
}

static facet_status check_links(const facet_network *network, const facet_mask *mask, hid_t group)
{
  H5G_info_t info;
  FACET_CHECK(H5Gget_info(group, &info) >= 0, FACET_BAD_INPUT, "%s is damaged", GROUP);
  for (hsize_t i = 0; i < info.nlinks; i++) {
    char *name;
    ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, NULL, 0, H5P_DEFAULT);
    FACET_CHECK(length >= 0, FACET_BAD_INPUT, "%s is damaged", GROUP);
    FACET_NEW(name, length + 1);
    H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, (size_t)length + 1, H5P_DEFAULT);
    facet_status status = check_known(network, mask, group, name);
    facet_free(&name);
    FACET_TRY(status);
  }
  return FACET_OK;
}

static facet_status read_file(const facet_network *network, const char *path, facet_mask *mask)
{
  facet_hdf5_reads(path);
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  FACET_CHECK(file >= 0, FACET_BAD_INPUT, "not an HDF5 file, or truncated or damaged");
  hid_t group = H5Lexists(file, GROUP, H5P_DEFAULT) > 0 ? H5Gopen2(file, GROUP, H5P_DEFAULT) : -1;
  facet_status status;
  FACET_CHECK_GO(done, status, group >= 0, FACET_BAD_INPUT, "holds no masks: no group /%s", GROUP);
  for (int l = 0; l < mask->layers; l++)
    FACET_GO(done, status, read_layer(network, group, &mask->layer[l]));
  status = check_links(network, mask, group);
done:
  if (group >= 0)
    H5Gclose(group);
  H5Fclose(file);
  return status;
}

facet_status facet_mask_read(const facet_network *network, const char *path, facet_mask **mask)
{
  *mask = NULL;
  FACET_TRY(facet_check_file(path));
  FACET_TRY(facet_mask_of_zeros(network, mask));
  facet_status status;
  FACET_WITH_HDF5(status, read_file(network, path, *mask));
  if (status == FACET_OK)
    return FACET_OK;
  facet_mask_destroy(mask);
  return facet_raise_in(status, "%s: ", path);
}
