/* ONNX files to networks and back, through protobuf-c and the onnx.proto that the system ships. */
#ifndef FACET_ONNX_H
#define FACET_ONNX_H

#include "net/net.h"

/* Reads, finishes. Constants may lie in other files of the same folder. Errors: FACET_NO_INPUT, FACET_BAD_INPUT with
 * "FILE: node NAME (Type): why". Caller destroys. */
facet_status facet_onnx_read(const char *path, facet_network **network);
/* The same from memory, where no constant may lie in another file; `name` stands for the file in messages. */
facet_status facet_onnx_read_bytes(const char *name, const uint8_t *bytes, size_t count, facet_network **network);
/* Writes an ordinary ONNX file (opset of the network, batch dimension "N"), whole or not at all; the bytes depend on
 * the network alone. FACET_CANNOT_CREATE, FACET_IO. */
facet_status facet_onnx_write(const facet_network *network, const char *path);
/* The bytes of an ONNX file that needs no other: those of the file, or, where constants lie in other files, those of
 * the same model with the constants inside. Caller frees *bytes. FACET_BAD_INPUT, FACET_NO_INPUT. */
facet_status facet_onnx_whole(const char *path, uint8_t **bytes, size_t *count);
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
