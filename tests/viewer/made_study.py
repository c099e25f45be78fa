"""Writes result files as facet lays them out, of made-up numbers, of any size: large arrays may stay holes, so that a file of
50 GB takes a few megabytes of disk. For the viewer's tests and measurements, which need many shapes of studies."""

import json

import h5py
import numpy as np

BINS = 64
METRICS = ("angle", "length", "margin", "loss")


def contiguous(file, path, shape, dtype, data=None):
    """An array in one piece at a place of its own, written or not."""
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    make = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    make.set_layout(h5py.h5d.CONTIGUOUS)
    make.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    make.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    link = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    link.set_create_intermediate_group(True)
    h5py.h5d.create(file.id, path.encode(), h5py.h5t.py_create(np.dtype(dtype), logical=True), space, make, link)
    if data is not None:
        file[path][...] = data


def texts(file, path, values):
    file.create_dataset(path, data=list(values), dtype=h5py.string_dtype())


def edges_of(values):
    finite = np.sort(values[np.isfinite(values)].ravel())
    return np.append(finite[len(finite) * np.arange(BINS) // BINS], finite[-1]).astype("f4")


def write_index(file):
    entries = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            offset = item.id.get_offset()
            text = item.dtype.kind == "O"
            entries.append({"path": "/" + name, "offset": -1 if text or offset is None else offset, "shape": list(item.shape),
                            "type": "text" if text else item.dtype.str})
    file.create_dataset("index", shape=(), dtype=h5py.string_dtype())
    file.visititems(visit)
    file["index"][()] = json.dumps(entries)


def put(file, arrays):
    """Arrays by their places, each in one piece, and the index anew."""
    for place, values in arrays.items():
        contiguous(file, place, values.shape, values.dtype.str, values)
    write_index(file)


def make(path, variants=4, conditions=3, samples=300, classes=4, side=8, seed=0, index=True, view=True, schema=9, hole=0, names=None,
         condition_names=None, class_names=None, done=True, study_name="made", replicates=2):
    """variants: dense, then `replicates` seeds of each sparsity, and, of more than two, the last one failed. `hole`: so many bytes of
    /feature/dense/value that were never written. `done`: False leaves the last variant's second half of samples unanalysed."""
    random = np.random.default_rng(seed)
    label = random.integers(0, classes, samples).astype("i4")
    if names is None:
        names = ["dense"] + [f"magnitude-global-0.{1 + v // replicates}-s{1 + v % replicates}" for v in range(variants - 1)]
    condition_names = condition_names or ["clean"] + [f"noise/{c}" for c in range(1, conditions)]
    class_names = class_names or [f"class {k}" for k in range(classes)]
    margin = np.empty((variants, conditions, samples), "f4")
    base = random.normal(1.2, 1, samples)
    for v in range(variants):
        for c in range(conditions):
            margin[v, c] = base - 0.15 * v - 0.2 * c + random.normal(0, 0.3, samples)
    if variants > 2:
        margin[-1] = random.normal(-2, 0.5, (conditions, samples))
    given = np.where(margin < 0, (label + 1) % classes, label).astype("i4")
    columns = {"margin": margin, "angle": np.arctan(np.exp(-margin)).astype("f4"), "length": (5 + margin + random.normal(0, 1, margin.shape)).astype("f4"),
               "loss": np.log1p(np.exp(-margin)).astype("f4")}
    blocks = np.arange(0, samples, max(1, samples // 4))
    marks = np.ones((variants, conditions, len(blocks)), "u1")
    if not done:
        marks[-1, :, len(blocks) // 2:] = 0
        for column in columns.values():
            column[-1, :, blocks[len(blocks) // 2]:] = 0 # as in an array that is too large to be filled
        given[-1, :, blocks[len(blocks) // 2]:] = 0
    accuracy = (given == label).mean(axis=2)
    with h5py.File(path, "w") as file:
        file.attrs.update(schema_version=schema, study_name=study_name, seed=1)
        texts(file, "variant", names)
        texts(file, "condition", condition_names)
        texts(file, "class", class_names)
        contiguous(file, "sample", (samples,), "<i8", np.arange(samples))
        contiguous(file, "label", (samples,), "<i4", label)
        contiguous(file, "image", (samples, 1, side, side), "<f4", None if hole else random.integers(0, 255, (samples, 1, side, side)))
        contiguous(file, "prediction/class", given.shape, "<i4", given)
        for metric, column in columns.items():
            place = "prediction/loss" if metric == "loss" else f"geometry/{metric}"
            contiguous(file, place, column.shape, "<f8", None if hole else column)
        contiguous(file, "summary/accuracy", accuracy.shape, "<f8", accuracy if done else np.full(accuracy.shape, np.nan))
        for metric, column in columns.items():
            contiguous(file, f"summary/{metric}", accuracy.shape, "<f8", column.astype("f8").mean(axis=2) if done else np.full(accuracy.shape, np.nan))
        if hole:
            contiguous(file, "feature/dense/value", (conditions, samples, hole // (conditions * samples * 4)), "<f4")
        stages = {"analyse": marks, "summary": np.full(conditions, done, "u1")}
        if view:
            stages["columns"] = np.full(4, done, "u1")
            for metric, column in columns.items():
                edge = edges_of(column)
                contiguous(file, f"view/{metric}", column.shape, "<f4", column)
                contiguous(file, f"view/{metric}_edge", edge.shape, "<f4", edge)
                contiguous(file, f"view/{metric}_bin", column.shape, "|u1", np.searchsorted(edge[1:-1], column, side="right").astype("u1"))
        contiguous(file, "progress/block", blocks.shape, "<i8", blocks)
        for stage, parts in stages.items():
            contiguous(file, f"progress/{stage}", parts.shape, "|u1", parts)
        for v, name in enumerate(names):
            group = file.require_group(f"variants/{name.replace('/', '_')}")
            group.attrs.update(method="dense" if v == 0 else "magnitude", scope="" if v == 0 else "global", seed=max(0, v - 1) % replicates + (v > 0),
                               sparsity=0.0 if v == 0 else 0.1 * (1 + (v - 1) // replicates), achieved=0.0 if v == 0 else 0.1 * (1 + (v - 1) // replicates),
                               replicate=name.rsplit("-s", 1)[0])
        if index:
            write_index(file)
    return {"label": label, "given": given, "accuracy": accuracy, **columns}
