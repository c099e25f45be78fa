#!/usr/bin/env python3
"""Small well-formed files for every fuzz target: `seeds.py FOLDER`."""
import gzip
import io
import pathlib
import struct
import sys

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

folder = pathlib.Path(sys.argv[1])
random = np.random.default_rng(0)


def put(target, name, content):
    (folder / target).mkdir(parents=True, exist_ok=True)
    (folder / target / name).write_bytes(content)


def onnx_model(nodes, constants, shape, external=None):
    tensors = [numpy_helper.from_array(v, k) for k, v in constants.items()]
    data = b""
    if external:
        for t in tensors:
            raw, t.raw_data = t.raw_data, b""
            t.data_location = TensorProto.EXTERNAL
            for key, value in ("location", "net.data"), ("offset", len(data)), ("length", len(raw)):
                t.external_data.add(key=key, value=str(value))
            data += raw
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, ["N", *shape])],
                              [helper.make_tensor_value_info("y", 1, None)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    return struct.pack(">H", len(data)) + data + model.SerializeToString()


f = lambda *d: random.standard_normal(d).astype("f4")
i = lambda *v: np.array(v, "i8")
node = helper.make_node
dense = [node("Gemm", ["x", "w", "b"], ["h"], transB=1), node("Relu", ["h"], ["y"])]
put("onnx", "dense", onnx_model(dense, {"w": f(3, 4), "b": f(3)}, [4]))
put("onnx", "outside", onnx_model(dense, {"w": f(3, 4), "b": f(3)}, [4], external=True))
put("onnx", "conv", onnx_model(
    [node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
     node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"]), node("Clip", ["n", "", "s0"], ["r"]),
     node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2]), node("Resize", ["p", "", "sc"], ["u"], mode="linear"),
     node("Flatten", ["u"], ["y"])],
    {"k": f(2, 1, 3, 3), "s": f(2), "b": f(2), "m": f(2), "v": np.ones(2, "f4"), "s0": np.array(6, "f4"),
     "sc": np.array([1, 1, 2, 2], "f4")}, [1, 6, 6]))
put("onnx", "shapes", onnx_model(
    [node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["n"]), node("Concat", ["n", "rest"], ["t"], axis=0),
     node("Reshape", ["x", "t"], ["r"]), node("Transpose", ["r"], ["q"], perm=[0, 2, 1]),
     node("Slice", ["q", "zero", "one", "one"], ["c"]), node("Expand", ["c", "wide"], ["e"]),
     node("ReduceMax", ["e"], ["y"], axes=[2])],
    {"zero": i(0), "rest": i(2, 2), "one": i(1), "wide": i(1, 2, 4)}, [4]))

idx = lambda kind, a: bytes([0, 0, kind, a.ndim]) + struct.pack(f">{a.ndim}I", *a.shape) + a.tobytes()
npy = lambda a: (b := io.BytesIO(), np.save(b, a), b.getvalue())[2]
images = random.integers(0, 256, (3, 1, 4, 4), "u1")
hdf5 = io.BytesIO()
with h5py.File(hdf5, "w") as file:
    file["images"], file["labels"] = images, np.arange(3)
    file.create_dataset("packed", data=images, chunks=(1, 1, 4, 4), compression="gzip")
for number, content in enumerate([idx(8, images[:, 0]), gzip.compress(idx(8, np.arange(3).astype("u1"))),
                                  bytes(3073), npy(images.astype("f4")), gzip.compress(npy(np.arange(3))), gzip.compress(bytes(3073))]):
    put("data", str(number), bytes([number]) + content)
put("data", "doubles", bytes([3]) + npy(images.astype("f8")))
put("hdf5", "bytes", hdf5.getvalue())
hdf5 = io.BytesIO()
with h5py.File(hdf5, "w") as file:
    file.create_dataset("images", data=images.astype("f4"), chunks=(2, 1, 4, 4), compression="gzip", shuffle=True)
    file.create_dataset("labels", data=np.arange(3), chunks=(2,), maxshape=(None,))
put("hdf5", "packed", hdf5.getvalue())
hdf5 = io.BytesIO()
with h5py.File(hdf5, "w", libver="latest") as file:
    file["images"], file["labels"] = images.astype("f8"), np.arange(3, dtype="u1")
put("hdf5", "latest", hdf5.getvalue())

put("published", "set", npy(random.integers(0, 256, (10, 4, 4, 3), "u1")))
put("published", "labels", npy(np.array([1, 0] * 5, "u1")))

masks = io.BytesIO()
with h5py.File(masks, "w") as file:
    for name, shape in ("conv1", (2, 1, 3, 3)), ("dense2", (4, 72)), ("dense3", (3, 4)):
        file.create_dataset(f"masks/{name}.weight", data=np.ones(shape, "u1"), compression="gzip")
put("masks", "one", masks.getvalue())

root = pathlib.Path(__file__).parents[2]
for study in (root / "jobs").glob("*.yaml"):
    put("study", study.name, study.read_bytes())
put("record", "one", b"seconds: 1.5\ndiverged: the loss is no longer finite\nimages: " + b"0" * 64 + b"\n")
put("record", "none", b"")

for reader in range(5):  # of a result file, with one bit of it changed, and with as many as make all of it another
    put("store", f"one{reader}", bytes([reader, 0, 4 * reader, 7, 1]))
    put("store", f"many{reader}", bytes([reader]) + bytes(random.integers(0, 256, 400, "u1")))
