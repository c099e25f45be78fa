"""Whether another build of facet, by another compiler, for another processor or on another machine's libraries, comes to the same
results: make agree OTHER=build/clang.

One study of 500 samples, in float and in double, by both builds: a network of ../shared/models where there are some (MODEL= another
one that takes 1 x 28 x 28), else the tests' own, dense and pruned, clean and under noise. Of W the largest difference in terms of the
largest |W| of its sample, of logits and all other arrays in terms of the largest of the array; and which arrays are the same bits.
Exit status 1: W differs by more than 1e-5."""

import os
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/study"))
import conftest  # noqa: E402
import test_ties  # noqa: E402

SAMPLES, BOUND = 500, 1e-5
FASHION = pathlib.Path(test_ties.FASHION + "images-idx3-ubyte.gz")
STUDY = """\
output: {output}
precision: {precision}
data:
  test: {data}
  normalize: {{scale: 255}}
model: {{onnx: {model}}}
variants: [{{method: magnitude, sparsity: 0.5}}]
conditions: [clean, {{corruption: gaussian_noise, severity: 3}}]
linearize: {{variants: all, rows: all}}
change: {{samples: 48, conditions: all}}
paths: {{samples: 4}}
reach: {{samples: 4}}
census: {{}}
aggregate: {{spectrum: 8}}
"""
PASSING = ("progress/", "checksum/", "profile/", "index/")  # of one run alone, as times are
Arrays = dict[str, np.ndarray]


def found_model(folder):
    named, shared = os.environ.get("MODEL"), conftest.SHARED / "models/cnn_max_mninst2.onnx"
    if named:
        return pathlib.Path(named).resolve()
    if shared.exists():
        return shared
    test_ties.pooled(folder / "pooled.onnx")
    return folder / "pooled.onnx"


def found_data(folder):
    if FASHION.exists():
        return test_ties.MNIST_LIKE.replace("COUNT", str(SAMPLES))
    conftest.make_digits(folder, train=1, test=SAMPLES, size=28, classes=10)
    return "{format: idx, images: test-images, labels: test-labels}"


def made(build, folder, precision, model, data) -> tuple[Arrays, str]:
    """The arrays that a build makes, and their checksum."""
    study = folder / f"{build.name}-{precision}.yaml"
    study.write_text(STUDY.format(output=study.stem, precision=precision, model=model, data=data))
    store = folder / study.stem / "study.h5"
    for command in (["run", study], ["checksum", store]):
        done = subprocess.run([build / "facet", *command], env=conftest.environment(), capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"agree: {build / 'facet'} {command[0]}: {done.stderr.strip()}")
    arrays: Arrays = {}
    with h5py.File(store) as h5:
        h5.visititems(lambda path, item: arrays.update({path: np.asarray(item[()])}) if isinstance(item, h5py.Dataset) else None)
    mine = {path: a for path, a in arrays.items() if not path.startswith(PASSING) and not path.endswith("seconds")}
    return mine, done.stdout.strip()


def difference(one, other, by_sample):
    """The largest, in terms of the largest number, of all or of each sample; infinite where shapes or words are others."""
    if one.shape != other.shape or one.dtype.kind not in "fiu":
        return np.inf
    one, other = (np.nan_to_num(a.astype(float), posinf=0, neginf=0).reshape(len(a) if by_sample and a.ndim else 1, -1) for a in (one, other))
    size = np.abs(one).max(axis=1)
    return float((np.abs(one - other).max(axis=1) / np.where(size > 0, size, 1)).max())


def same(one, other):
    if one.dtype == object or other.dtype == object:
        return one.shape == other.shape and list(one.ravel()) == list(other.ravel())
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


def compare(precision, ours, theirs):
    """Says what differs; whether W does not."""
    (one, sum_one), (other, sum_other) = ours, theirs
    if one.keys() != other.keys():
        print(f"{precision}: in one of them alone: {', '.join(sorted(one.keys() ^ other.keys()))}")
        return False
    w = {path: difference(one[path], other[path], True) for path in one if path.startswith("linear/") and path.endswith("/W")}
    logits = difference(one["prediction/logits"], other["prediction/logits"], False)
    others = {path: difference(one[path], other[path], False) for path in one if not same(one[path], other[path])}
    print(f"{precision}: W differs by {max(w.values()):.1e} of the largest |W| of its sample, logits by {logits:.1e} of the largest; "
          f"checksums are {'the same' if sum_one == sum_other else 'others'}; {len(one) - len(others)} of {len(one)} arrays are the same bits")
    certificates = [path for path in others if path.endswith("residual")]
    for path, by in sorted(others.items(), key=lambda item: -item[1]):
        if path not in certificates:
            print(f"  /{path}: {by:.1e}")
    if certificates:
        print(f"  and {len(certificates)} of residuals, which are rounding itself")
    return max(w.values()) <= BOUND


def main():
    builds = [conftest.BUILD.resolve(), pathlib.Path(sys.argv[1]).resolve()]
    for build in builds:
        if not (build / "facet").exists():
            sys.exit(f"agree: no {build / 'facet'}: make OUT={build} all makes it; OTHER= names the folder of another build")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model, data = found_model(folder), found_data(folder)
        print(f"{builds[0]} and {builds[1]}: {model.name}, {SAMPLES} samples")
        agree = [compare(precision, *(made(build, folder, precision, model, data) for build in builds)) for precision in ("float", "double")]
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
