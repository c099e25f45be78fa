/* ONNX files to networks and back, through protobuf-c and the onnx.proto that the system ships: beside reading and
 * writing, which the face shows. */
#ifndef FACET_ONNX_H
#define FACET_ONNX_H

#include "net/net.h"

/* The bytes of an ONNX file that needs no other: those of the file, or, where constants lie in other files, those of
 * the same model with the constants inside. Caller frees *bytes. FACET_BAD_INPUT, FACET_NO_INPUT. */
facet_status facet_onnx_whole(const char *path, uint8_t **bytes, size_t *count);
/* What facet_onnx_write would write of a finished network. Caller frees *bytes. */
facet_status facet_onnx_write_bytes(const facet_network *network, uint8_t **bytes, size_t *count);

/* A node of a file, as it is. Texts are owned, never NULL. */
typedef struct {
  char *name, *type;
  bool supported;
  char *why; /* what speaks against it; "": nothing more is known */
} facet_onnx_surveyed;

/* The nodes of a file that facet may be unable to run, functions put in place of their calls where that can be done. */
typedef struct {
  int opset;
  size_t nodes;
  facet_onnx_surveyed *node;
} facet_onnx_survey;

/* FACET_NO_INPUT, FACET_BAD_INPUT: no ONNX file. Caller destroys. */
facet_status facet_onnx_survey_read(const char *path, facet_onnx_survey **survey);
void facet_onnx_survey_destroy(facet_onnx_survey **survey);

#endif
