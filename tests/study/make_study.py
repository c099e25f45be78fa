"""Writes small result files (study.h5, schema version 3) of real networks, so that tests of facet in Python need no finished
study: two-layer ReLU networks in numpy, whose W and b are computed, like facet's, from the frozen pattern alone."""

import h5py
import numpy as np

NODES = ["hidden", "output"]


def network(rng, inputs, hidden, classes):
    """Two layers that classify by nearest prototype well enough to have right and wrong samples."""
    return [(rng.normal(size=(hidden, inputs)) / np.sqrt(inputs), 0.1 * rng.normal(size=hidden)),
            (rng.normal(size=(classes, hidden)) / np.sqrt(hidden), 0.1 * rng.normal(size=classes))]


def fit(net, x, label, classes, steps=60, rate=0.5):
    """A few steps of gradient descent on the last layer: enough for an accuracy that is worth plotting."""
    (w1, b1), (w2, b2) = net
    h = np.maximum(x @ w1.T + b1, 0)
    target = np.eye(classes)[label]
    for _ in range(steps):
        z = h @ w2.T + b2
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = (p - target) / len(x)
        w2, b2 = w2 - rate * gradient.T @ h, b2 - rate * gradient.sum(axis=0)
    return [(w1, b1), (w2, b2)]


def prune(net, sparsity, rng=None):
    """Removes the smallest weights of the whole network, or random ones when rng is given."""
    scores = [rng.random(w.shape) if rng else np.abs(w) for w, _ in net]
    bound = np.quantile(np.concatenate([s.ravel() for s in scores]), sparsity) if sparsity else -1
    return [(np.where(s > bound, w, 0), b) for (w, b), s in zip(net, scores)]


def forward(net, x):
    (w1, b1), (w2, b2) = net
    z = x @ w1.T + b1
    h = np.maximum(z, 0)
    return z, h, h @ w2.T + b2


def measure(net, x, label):
    """Predictions and geometry of samples, by the definitions."""
    _, h, logits = forward(net, x)
    w, c = net[1]
    length = np.linalg.norm(h, axis=1)
    norms = np.maximum(np.linalg.norm(w, axis=1), 1e-30)
    cosine = np.clip(h @ w.T / norms / np.maximum(length, 1e-30)[:, None], -1, 1)
    i = np.arange(len(x))
    distance = np.linalg.norm(w[label][:, None, :] - w[None, :, :], axis=2)
    distance[i, label] = 1
    margin = (logits[i, label][:, None] - logits) / np.maximum(distance, 1e-30)
    margin[i, label] = np.inf
    top = logits.max(axis=1)
    loss = top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - logits[i, label]
    return dict(logits=logits, cls=logits.argmax(axis=1), loss=loss, angle=np.arccos(cosine[i, label]), length=length,
                margin=margin.min(axis=1), cosine=cosine)


def linearize(net, x, rows):
    """W, b, b by node, residual, ties for the asked rows of each sample."""
    (w1, b1), (w2, b2) = net
    z, _, logits = forward(net, x)
    pattern = z > 0
    j = w2[rows] * pattern[:, None, :]  # n x k x hidden: from the gates to the rows
    w = j @ w1
    node = np.stack([j @ b1, b2[rows]], axis=2)
    b = node.sum(axis=2)
    f = np.take_along_axis(logits, rows, axis=1)
    error = np.abs(f - np.einsum("nkd,nd->nk", w, x) - b).max(axis=1)
    return dict(W=w, row=rows, b=b, b_node=node, residual=error / np.maximum(1, np.abs(logits).max(axis=1)),
                ties=(np.abs(z) < 1e-7).sum(axis=1), node=NODES)


def cost(nets, samples, width):
    """Of every variant, what it would have cost: dense 2 epochs, the others, which begin with it, 3.5 more. The times of
    the last one are not known."""
    weights = [np.concatenate([w.ravel() for w, _ in net]) for net in nets.values()]
    biases = [np.concatenate([b for _, b in net]) for net in nets.values()]
    own = np.where(np.array(list(nets)) == "dense", 2, 3.5)
    place = np.arange(len(nets))
    late = place == max(1, len(nets) - 1)
    return {"epochs": own, "epochs_before": np.where(own == 2, 0, 2), "samples": own * samples,
            "parameters": [w.size + b.size for w, b in zip(weights, biases)],
            "flops": [2 * w.size for w in weights], "flops_sparse": [2 * np.count_nonzero(w) for w in weights],
            "bytes": [width * (w.size + b.size) for w, b in zip(weights, biases)],
            "bytes_sparse": [width * (np.count_nonzero(w) + np.count_nonzero(b)) for w, b in zip(weights, biases)],
            "train_seconds": np.where(late, np.nan, 1.5 + place), "forward_seconds": np.where(late, np.nan, 1e-6 * (7 + place))}


def write(path, *, variants, conditions, classes, image, label, measured, linear=None, sample=(), recipes=None, failed=(),
          normalize=(1.0, 0.0, 1.0), double=False, name="synthetic", done=True, layout=("channels_first",) * 2, costs=None):
    """Writes the file as docs/results.md has it. measured[v][c], linear[variant]: dicts of measure() and linearize().
    layout: the attributes `layout` and `order` of W. costs: {name: one number for each variant}."""
    real, text = "f8" if double else "f4", h5py.string_dtype()
    with h5py.File(path, "w") as f:
        def scale(key, values, dtype):
            f.create_dataset(key, data=np.asarray(values, dtype=object if dtype is text else None), dtype=dtype)
            f[key].make_scale(key.rpartition("/")[2])

        def dataset(key, values, dtype, dims):
            f.create_dataset(key, data=values, dtype=dtype)
            for axis, dim in enumerate(dims):
                f[key].dims[axis].attach_scale(f[dim])

        n, channels, height, width = image.shape
        scale("variant", variants, text), scale("condition", conditions, text), scale("class", classes, text)
        scale("sample", np.arange(n), "i8")
        for dim, size in (("channel", channels), ("y", height), ("x", width)):
            scale(dim, np.arange(size), "i8")
        dataset("label", label, "i4", ["sample"])
        dataset("image", image, real, ["sample", "channel", "y", "x"])
        stack = {key: np.array([[m[key] for m in line] for line in measured]) for key in measured[0][0]}
        vcn = ["variant", "condition", "sample"]
        dataset("prediction/logits", stack["logits"], real, vcn + ["class"])
        dataset("prediction/class", stack["cls"], "i4", vcn)
        for key, group in (("loss", "prediction"), ("angle", "geometry"), ("length", "geometry"), ("margin", "geometry")):
            dataset(f"{group}/{key}", stack[key], real, vcn)
        dataset("geometry/cosine", stack["cosine"], real, vcn + ["class"])
        summary = {key: stack[key].mean(axis=2) for key in ("loss", "angle", "length", "margin")}
        summary["accuracy"] = (stack["cls"] == label).mean(axis=2)
        of = np.array([(recipes or {}).get(variant, {}).get("replicate", variant) for variant in variants])
        groups = list(dict.fromkeys(of.tolist()))
        scale("replicate", groups, text)
        dataset("replicates/size", [(of == group).sum() for group in groups], "i8", ["replicate"])
        if failed is not None:
            dataset("summary/failed", np.isin(variants, list(failed)), "u1", ["variant"])
        for key, values in summary.items():
            dataset(f"summary/{key}", values, "f8", ["variant", "condition"])
            parts = [values[of == group] for group in groups]
            alone = np.full(len(conditions), np.nan)
            dataset(f"replicates/{key}_mean", [p.mean(axis=0) for p in parts], "f8", ["replicate", "condition"])
            dataset(f"replicates/{key}_deviation", [p.std(axis=0, ddof=1) if len(p) > 1 else alone for p in parts], "f8",
                    ["replicate", "condition"])
        if linear:
            scale("linear/sample", sample, "i8")
            scale("linear/k", np.arange(next(iter(linear.values()))["row"].shape[1]), "i8")
        for variant, part in (linear or {}).items():
            scale(f"linear/{variant}/node", part["node"], text)
            at = ["linear/sample"]
            w, dims = part["W"].reshape(*part["row"].shape, *image.shape[1:]), ["channel", "y", "x"]
            if layout[1] == "channels_last":
                w, dims = np.moveaxis(w, 2, -1), ["y", "x", "channel"]
            if layout[0] == "flat":  # with a 1 behind it
                w, dims = w.reshape(*w.shape[:2], -1, 1), [f"linear/{variant}/input", f"linear/{variant}/one"]
                scale(dims[0], np.arange(w.shape[2]), "i8"), scale(dims[1], [0], "i8")
            dataset(f"linear/{variant}/W", w, real, at + ["linear/k"] + dims)
            f[f"linear/{variant}/W"].attrs.update(layout=layout[0], order=layout[1])
            dataset(f"linear/{variant}/row", part["row"], "i4", at + ["linear/k"])
            dataset(f"linear/{variant}/b", part["b"], real, at + ["linear/k"])
            dataset(f"linear/{variant}/b_node", part["b_node"], real, at + ["linear/k", f"linear/{variant}/node"])
            dataset(f"linear/{variant}/residual", part["residual"], real, at)
            dataset(f"linear/{variant}/ties", part["ties"], "i4", at)
        for variant in variants:
            f.create_group(f"variants/{variant}").attrs.update((recipes or {}).get(variant, {"method": "dense"}))
        for what, values in (costs or {}).items():
            whole = not what.startswith("epochs") and not what.endswith("seconds")
            dataset(f"cost/{what}", values, "i8" if whole else "f8", ["variant"])
        marks = np.ones((len(variants), len(conditions), 4), dtype="u1")
        marks[-1, -1, -1] = done
        f.create_dataset("progress/tile", data=marks)
        f.attrs.update(facet_version="0.1.0", schema_version=3, git_revision="0123456", seed=1,
                       study=f"study: {name}\nseed: 1\n", study_name=name, normalize_scale=normalize[0],
                       normalize_mean=np.atleast_1d(normalize[1]).astype(float),
                       normalize_std=np.atleast_1d(normalize[2]).astype(float))


def synthesize(path, *, shape=(1, 6, 5), classes=3, samples=60, linearized=20, sparsities=(0.5, 0.9), randoms=(0.5,),
               severities=(1, 3, 5), rows="all", hidden=24, double=False, seed=1, clean=True, done=True,
               layout=("channels_first",) * 2, seeds=(), others=(), failed=()):
    """A whole small study of prototypes in noise. others: names of more methods, which prune by magnitude;
    failed: variants that are marked so, None: as files before there were such marks.
    Returns the networks by variant, normalised inputs and labels."""
    rng = np.random.default_rng(seed)
    d = int(np.prod(shape))
    prototypes = rng.random((classes, d))
    label = rng.integers(classes, size=samples)
    image = np.rint(255 * np.clip(prototypes[label] + 0.25 * rng.normal(size=(samples, d)), 0, 1))
    mean, std = np.linspace(0.4, 0.5, shape[0]), np.linspace(0.2, 0.3, shape[0])

    def normalized(pixels):
        return ((pixels.reshape(-1, *shape) / 255.0 - mean[:, None, None]) / std[:, None, None]).reshape(len(pixels), d)

    x = normalized(image)
    dense = fit(network(rng, d, hidden, classes), x, label, classes)
    nets, recipes = {"dense": dense}, {"dense": {"method": "dense", "sparsity": 0.0, "achieved": 0.0}}
    for method, scope, values in (("magnitude", "global", sparsities), ("random", "layer", randoms),
                                  *((method, "global", sparsities) for method in others)):
        for s, replicate in [(s, replicate) for s in values for replicate in (seeds or (None,))]:
            name = f"{method}-{scope}-{s}" + (f"-s{replicate}" if seeds else "")
            begin = [(w + 0.02 * rng.normal(size=w.shape), b) for w, b in dense] if seeds else dense
            nets[name] = prune(begin, s, rng if method == "random" else None)
            recipes[name] = {"method": method, "scope": scope, "sparsity": s, "replicate": f"{method}-{scope}-{s}"}
            if seeds and method == "random":
                recipes[name]["warnings"] = ["layer hidden keeps one weight of 720"]
    for name, net in nets.items():
        zero = [float((w == 0).mean()) for w, _ in net]
        size = [w.size for w, _ in net]
        recipes[name].update(achieved=float(np.dot(zero, size) / sum(size)), layer=NODES, layer_achieved=zero,
                             layer_size=size)
    conditions = ["clean"] * clean + [f"gaussian_noise/{s}" for s in severities]
    inputs = [x] * clean + [normalized(np.clip(image + 255 * 0.08 * s * rng.normal(size=image.shape), 0, 255))
                            for s in severities]
    measured = [[measure(net, u, label) for u in inputs] for net in nets.values()]
    linear = {}
    for name, net in nets.items() if linearized else ():
        order = np.argsort(-forward(net, x[:linearized])[2], axis=1, kind="stable")
        chosen = np.sort(order, axis=1) if rows == "all" else order[:, :1 if rows == "predicted" else rows]
        linear[name] = linearize(net, x[:linearized], chosen)
    write(path, variants=list(nets), conditions=conditions, classes=[f"class {k}" for k in range(classes)],
          image=image.reshape(-1, *shape), label=label, measured=measured, linear=linear, sample=np.arange(linearized),
          recipes=recipes, failed=failed, normalize=(255.0, mean, std), double=double, done=done, layout=layout,
          costs=cost(nets, samples, 8 if double else 4))
    return nets, x, label
