"""ResNet-20 for CIFAR-10 (He et al. 2015, shortcuts that slice and pad) with random weights: as an ONNX file for
facet and onnxruntime, and as a PyTorch module with the same weights."""

import numpy as np


def layers(blocks=3):
    """(name, channels in, channels out, stride) of every convolution, in order."""
    yield "stem", 3, 16, 1
    channels = 16
    for stage, out in enumerate((16, 32, 64)):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            yield f"s{stage}b{block}a", channels, out, stride
            yield f"s{stage}b{block}b", out, out, 1
            channels = out


def weights(seed=1, blocks=3):
    random = np.random.default_rng(seed)
    table = {}
    for name, inputs, outputs, _ in layers(blocks):
        scale = np.sqrt(2 / (9 * inputs))
        table[name] = {
            "w": random.normal(0, scale, (outputs, inputs, 3, 3)),
            "gamma": random.uniform(0.5, 1, outputs),
            "beta": random.normal(0, 0.1, outputs),
            "mean": random.normal(0, 0.1, outputs),
            "var": random.uniform(0.5, 1.5, outputs),
        }
    table["fc"] = {"w": random.normal(0, 0.1, (10, 64)), "b": random.normal(0, 0.1, 10)}
    return {n: {k: v.astype(np.float32) for k, v in d.items()} for n, d in table.items()}


def write_onnx(path, table, blocks=3):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def unit(name, value, stride):
        w = constant(name + ".w", table[name]["w"])
        nodes.append(helper.make_node("Conv", [value, w], [name + ".z"], name + ".conv", kernel_shape=[3, 3],
                                      pads=[1, 1, 1, 1], strides=[stride, stride]))
        norm = [constant(f"{name}.{k}", table[name][k]) for k in ("gamma", "beta", "mean", "var")]
        nodes.append(helper.make_node("BatchNormalization", [name + ".z", *norm], [name + ".n"], name + ".norm"))
        return name + ".n"

    def relu(name, value):
        nodes.append(helper.make_node("Relu", [value], [name + ".r"], name + ".relu"))
        return name + ".r"

    plan = list(layers(blocks))
    value = relu("stem", unit("stem", "input", 1))
    for (a, inputs, outputs, stride), (b, *_) in zip(plan[1::2], plan[2::2]):
        branch = unit(b, relu(a, unit(a, value, stride)), 1)
        if stride == 2:
            for key, list_ in (("s", [0, 0]), ("e", [2**31, 2**31]), ("a", [2, 3]), ("t", [2, 2])):
                constant(f"{a}.slice.{key}", np.array(list_, np.int64))
            nodes.append(helper.make_node("Slice", [value, *(f"{a}.slice.{k}" for k in "seat")], [a + ".sl"], a + ".slice"))
            pad = (outputs - inputs) // 2
            constant(a + ".pads", np.array([0, pad, 0, 0, 0, pad, 0, 0], np.int64))
            nodes.append(helper.make_node("Pad", [a + ".sl", a + ".pads"], [a + ".pad"], a + ".pad"))
            value = a + ".pad"
        nodes.append(helper.make_node("Add", [branch, value], [b + ".sum"], b + ".add"))
        value = relu(b, b + ".sum")
    nodes.append(helper.make_node("GlobalAveragePool", [value], ["pool"], "pool"))
    nodes.append(helper.make_node("Flatten", ["pool"], ["flat"], "flatten"))
    constant("fc.w", table["fc"]["w"]), constant("fc.b", table["fc"]["b"])
    nodes.append(helper.make_node("Gemm", ["flat", "fc.w", "fc.b"], ["logits"], "fc", transB=1))
    graph = helper.make_graph(
        nodes, "resnet20", [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)


def torch_module(table, blocks=3):
    import torch
    from torch import nn
    from torch.nn import functional

    class Unit(nn.Module):
        def __init__(self, name, inputs, outputs, stride):
            super().__init__()
            self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.norm = nn.BatchNorm2d(outputs)
            with torch.no_grad():
                t = {k: torch.from_numpy(v) for k, v in table[name].items()}
                self.conv.weight.copy_(t["w"])
                self.norm.weight.copy_(t["gamma"])
                self.norm.bias.copy_(t["beta"])
                self.norm.running_mean.copy_(t["mean"])
                self.norm.running_var.copy_(t["var"])

        def forward(self, x):
            return self.norm(self.conv(x))

    class Block(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            self.a, self.b, self.stride, self.pad = Unit(*a), Unit(*b), a[3], (a[2] - a[1]) // 2

        def forward(self, x):
            y = self.b(functional.relu(self.a(x)))
            if self.stride == 2:
                x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
            return functional.relu(y + x)

    class ResNet20(nn.Module):
        def __init__(self):
            super().__init__()
            plan = list(layers(blocks))
            self.stem = Unit(*plan[0])
            self.blocks = nn.Sequential(*(Block(a, b) for a, b in zip(plan[1::2], plan[2::2])))
            self.fc = nn.Linear(64, 10)
            with torch.no_grad():
                self.fc.weight.copy_(torch.from_numpy(table["fc"]["w"]))
                self.fc.bias.copy_(torch.from_numpy(table["fc"]["b"]))

        def forward(self, x):
            x = self.blocks(functional.relu(self.stem(x)))
            return self.fc(x.mean((2, 3)))

    module = ResNet20().eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module
