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
/* Prints nodes, shapes, parameters and zeros per layer to stdout; where the network cannot be run, its nodes with every
 * operator that is not supported marked, and fails as facet_onnx_read does. */
facet_status facet_onnx_inspect(const char *path);

#endif
