"""A small interpreter of ONNX files in PyTorch float64: the ground truth that W and b are compared with."""

import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional


def load(path, real=torch.float64):
    """A function from a batch of float64 (or another type) to its logits; `other` constants take the place of those of the same
    name."""
    model = onnx.load(path)
    graph = model.graph
    constants = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    for name, value in constants.items():
        if value.is_floating_point():
            constants[name] = value.to(real)
    (name,) = [i.name for i in graph.input if i.name not in constants]

    def forward(x, other=None):
        values = {**constants, **(other or {}), name: x}
        for node in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            inputs = [values[i] if i else None for i in node.input]
            values[node.output[0]] = OPERATORS[node.op_type](attributes, *inputs)
        return values[graph.output[0].name]

    return forward


def conv(a, x, w, b=None):
    top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
    x = functional.pad(x, (left, right, top, bottom))
    return functional.conv2d(x, w, b, a.get("strides", 1), 0, a.get("dilations", 1), a.get("group", 1))


def norm(a, x, gamma, beta, mean, var):
    return functional.batch_norm(x, mean, var, gamma, beta, False, 0, a.get("epsilon", 1e-5))


def gemm(a, x, w, b=None):
    y = a.get("alpha", 1.0) * x @ (w.T if a.get("transB", 0) else w)
    return y if b is None else y + a.get("beta", 1.0) * b


def slices(a, x, starts, ends, axes, steps):
    for start, end, axis, step in zip(*(v.tolist() for v in (starts, ends, axes, steps))):
        index = [slice(None)] * x.dim()
        index[axis] = slice(start, min(end, x.shape[axis]), step)
        x = x[tuple(index)]
    return x


def pad(a, x, pads, value=None):
    pads, rank = pads.tolist(), x.dim()
    pairs = [p for d in reversed(range(rank)) for p in (pads[d], pads[rank + d])]
    return functional.pad(x, pairs, value=0.0 if value is None else float(value))


def max_pool(a, x):
    return functional.max_pool2d(x, a["kernel_shape"], a.get("strides", 1))


OPERATORS = {
    "Add": lambda a, x, y: x + y,
    "BatchNormalization": norm,
    "Constant": lambda a: torch.from_numpy(numpy_helper.to_array(a["value"]).copy()),
    "Conv": conv,
    "Flatten": lambda a, x: x.flatten(1),
    "Gemm": gemm,
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdim=True),
    "LeakyRelu": lambda a, x: functional.leaky_relu(x, a.get("alpha", 0.01)),
    "MatMul": lambda a, x, w: x @ w,
    "MaxPool": max_pool,
    "Pad": pad,
    "Relu": lambda a, x: functional.relu(x),
    "Reshape": lambda a, x, shape: x.reshape([x.shape[0], *shape.tolist()[1:]]),
    "Slice": slices,
    "Transpose": lambda a, x: x.permute(a["perm"]),
}
