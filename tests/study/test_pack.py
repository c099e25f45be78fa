"""python3 -m facet pack: what people have becomes one file that facet reads, sample by sample, or one line says why not."""

import contextlib
import io
import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from conftest import PATIENCE, ROOT, STUDY, make_digits, run

import facet
from facet.__main__ import main

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
CLASSES = ["ant", "bee", "no"]


def pictures(count=9, size=(8, 6), channels=3, seed=1):
    """N x y x x (x channel), bytes."""
    shape = (count, *size) + ((channels,) if channels > 1 else ())
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def folder_of(path, images, classes=CLASSES):
    """ImageFolder; the images in its order, and their labels."""
    labels = [i % len(classes) for i in range(len(images))]
    for i, image in enumerate(images):
        (path / classes[labels[i]]).mkdir(parents=True, exist_ok=True)
        (path / classes[labels[i]] / f"{i:03}.png").write_bytes(png(image))
    (path / classes[0] / "notes.txt").write_text("no image")
    order = np.argsort(labels, kind="stable")
    return images[order], np.array(labels)[order]


def packed(file):
    with h5py.File(file) as h5:
        names = h5["classes"].asstr()[:].tolist() if "classes" in h5 else []
        return h5["images"][:], h5["labels"][:] if "labels" in h5 else None, names


def channels_first(images):
    return np.moveaxis(images, -1, 1) if images.ndim == 4 else images[:, None]


def test_image_folder(tmp_path, capsys):
    images, labels = folder_of(tmp_path / "train", pictures())
    assert main(["pack", str(tmp_path / "train"), str(tmp_path / "train.h5")]) == 0
    found, given, names = packed(tmp_path / "train.h5")
    assert found.dtype == np.uint8 and np.array_equal(found, channels_first(images))
    assert np.array_equal(given, labels) and names == CLASSES
    said = capsys.readouterr()
    assert said.out.startswith(f"{tmp_path}/train.h5: 9 samples, 3 x 8 x 6, uint8, 3 classes; in a study:\ndata:\n")
    assert 'classes: ["ant", "bee", "no"]' in said.out and not said.err  # no is a word that YAML takes for false
    mean = np.array(json.loads(said.out.split("mean: ")[1].split("]")[0] + "]"))
    assert np.allclose(mean, images.mean(axis=(0, 1, 2)) / 255, atol=1e-4)
    std = np.array(json.loads(said.out.split("std: ")[1].split("]")[0] + "]"))
    assert np.allclose(std, images.std(axis=(0, 1, 2)) / 255, atol=1e-4)


def test_sizes_and_channels(tmp_path):
    folder_of(tmp_path / "f", pictures())
    (tmp_path / "f" / "bee" / "004.png").write_bytes(png(pictures(1, (20, 12), 1)[0]))
    with pytest.raises(facet.FacetError, match=r"004.png: 1 x 20 x 12, but those before are 3 x 8 x 6: --size"):
        facet.pack(tmp_path / "f", tmp_path / "f.h5")
    assert [f.name for f in tmp_path.iterdir()] == ["f"]  # no file, and no part of one
    made = facet.pack(tmp_path / "f", tmp_path / "f.h5", size=(4, 4), channels=1)
    assert made.shape == (1, 4, 4) and len(made.mean) == 1 and made.count == 9
    assert facet.pack(tmp_path / "f", tmp_path / "f.h5", size=(4, 5), channels=3, count=2).shape == (3, 4, 5)


def write_tables(folder, images, labels, features, parts=2, suffix="parquet", split="train"):
    """A data set of Hugging Face as the hub has it (Parquet), or as save_to_disk writes it (Arrow)."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (make test installs it)")
    import pyarrow.parquet

    folder.mkdir(parents=True, exist_ok=True)
    cells = pyarrow.array([{"bytes": png(image), "path": None} for image in images],
                          pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()}))
    table = pyarrow.table({"image": cells, "label": labels}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})})
    each, files = -(-len(images) // parts), []
    for i in range(parts):
        part = table.slice(i * each, each)
        files.append(f"{split}-{i:05}-of-{parts:05}.{suffix}" if suffix == "parquet" else f"data-{i:05}-of-{parts:05}.arrow")
        if suffix == "parquet":
            pyarrow.parquet.write_table(part, folder / files[-1])
        else:
            with pyarrow.OSFile(str(folder / files[-1]), "wb") as file, \
                    pyarrow.ipc.new_stream(file, part.schema) as stream:
                stream.write_table(part)
    return files


FEATURES = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}


def test_parquet_of_the_hub(tmp_path):
    images, labels = pictures(channels=1), [0, 1, 2] * 3
    write_tables(tmp_path / "hub" / "data", images, labels, FEATURES)
    facet.pack(tmp_path / "hub", tmp_path / "hub.h5")
    found, given, names = packed(tmp_path / "hub.h5")
    assert np.array_equal(found, channels_first(images)) and given.tolist() == labels and names == CLASSES
    write_tables(tmp_path / "hub" / "data", images[:3], labels[:3], FEATURES, parts=1, split="test")
    with pytest.raises(facet.FacetError, match="has test, train; say which with --split"):
        facet.pack(tmp_path / "hub", tmp_path / "hub.h5")
    assert facet.pack(tmp_path / "hub", tmp_path / "hub.h5", split="test").count == 3
    with pytest.raises(facet.FacetError, match="no split is called tst: did you mean test"):
        facet.pack(tmp_path / "hub", tmp_path / "hub.h5", split="tst")


def test_arrow_of_save_to_disk(tmp_path):
    images, labels = pictures(), [2, 1, 0] * 3
    for split, part in (("train", slice(0, 6)), ("test", slice(6, 9))):
        files = write_tables(tmp_path / "set" / split, images[part], labels[part], FEATURES, suffix="arrow")
        (tmp_path / "set" / split / "state.json").write_text(json.dumps({"_data_files": [{"filename": f} for f in files]}))
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    for source, how in ((tmp_path / "set" / "test", {}), (tmp_path / "set", {"split": "test"})):
        facet.pack(source, tmp_path / "set.h5", **how)
        found, given, names = packed(tmp_path / "set.h5")
        assert np.array_equal(found, channels_first(images[6:])) and given.tolist() == labels[6:] and names == CLASSES


def test_tables_without_words_of_their_own(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (make test installs it)")
    import pyarrow.parquet

    numbers = pictures(4, (3, 3), 1)
    table = pyarrow.table({"x": numbers.astype(float).tolist(), "kind": ["b", "a", "c", "a"], "other": [0, 1, 2, 1]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    facet.pack(tmp_path / "t.parquet", tmp_path / "t.h5", label="kind")
    found, given, names = packed(tmp_path / "t.h5")
    assert found.dtype == np.float32 and np.array_equal(found[:, 0], numbers) and names == ["a", "b", "c"]
    assert given.tolist() == [1, 0, 2, 0]
    assert packed(facet.pack(tmp_path / "t.parquet", tmp_path / "t.h5").path)[1] is None
    small = pyarrow.table({"x": pyarrow.array(numbers.tolist(), pyarrow.list_(pyarrow.list_(pyarrow.uint8())))})
    pyarrow.parquet.write_table(small, tmp_path / "u.parquet")
    assert packed(facet.pack(tmp_path / "u.parquet", tmp_path / "t.h5").path)[0].dtype == np.uint8
    with pyarrow.OSFile(str(tmp_path / "t.arrow"), "wb") as file, pyarrow.ipc.new_file(file, table.schema) as whole:
        whole.write_table(table)
    assert np.array_equal(packed(facet.pack(tmp_path / "t.arrow", tmp_path / "t.h5", label="other").path)[1], [0, 1, 2, 1])


def test_csv_of_numbers(tmp_path):
    images, labels = pictures(600, (4, 5), 1).reshape(600, 20), np.random.default_rng(2).integers(0, 4, 600)
    rows = [",".join(map(str, [label, *image])) for label, image in zip(labels, images)]
    (tmp_path / "plain.csv").write_text("\n".join(rows))
    (tmp_path / "named.csv").write_text("\n".join(["label," + ",".join(f"p{i}" for i in range(20)), *rows]))
    for name in ("plain", "named"):
        made = facet.pack(tmp_path / f"{name}.csv", tmp_path / "c.h5", shape=(1, 4, 5))
        found, given, names = packed(made.path)
        assert found.dtype == np.uint8 and np.array_equal(found.reshape(600, 20), images) and np.array_equal(given, labels)
        assert names == [] and made.scale == 255
    made = facet.pack(tmp_path / "plain.csv", tmp_path / "c.h5")
    assert made.shape == (20,) and "layout" not in made.study()
    (tmp_path / "real.csv").write_text("a,b,class\n0.5,-1,x\n2,3,\n".replace("3,\n", "3,w\n"))
    found, given, names = packed(facet.pack(tmp_path / "real.csv", tmp_path / "c.h5").path)
    assert np.array_equal(found, np.float32([[0.5, -1], [2, 3]])) and given.tolist() == [1, 0] and names == ["w", "x"]


def test_csv_of_files(tmp_path):
    images = pictures(4)
    (tmp_path / "images").mkdir()
    for i, image in enumerate(images):
        (tmp_path / "images" / f"{i}.png").write_bytes(png(image))
    (tmp_path / "list.csv").write_text("file,label\n" + "".join(f"images/{i}.png,{10 * (i % 2) + 300}\n" for i in range(4)))
    found, given, names = packed(facet.pack(tmp_path / "list.csv", tmp_path / "c.h5").path)
    assert np.array_equal(found, channels_first(images)) and given.tolist() == [0, 1, 0, 1] and names == ["300", "310"]


class Set:
    """As torch.utils.data.Dataset is."""

    classes = CLASSES

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i], self.labels[i]


def test_data_sets_of_python(tmp_path):
    images, labels = pictures(), np.array([0, 1, 2] * 3)
    found, given, names = packed(facet.pack(Set([Image.fromarray(i) for i in images], labels), tmp_path / "s.h5").path)
    assert np.array_equal(found, channels_first(images)) and np.array_equal(given, labels) and names == CLASSES
    text = "import numpy as np\nclass Set:\n  def __len__(self): return 5\n  def __getitem__(self, i): return np.full((3, 4), i)\n"
    (tmp_path / "mine.py").write_text(text + "def make(): return Set()\n")
    for name in ("make", "Set"):
        found, given, names = packed(facet.pack(f"{tmp_path}/mine.py:{name}", tmp_path / "s.h5").path)
        assert found.shape == (5, 1, 3, 4) and np.array_equal(found[:, 0, 0, 0], range(5)) and given is None
    with pytest.raises(facet.FacetError, match="no data set is called mak: did you mean make"):
        facet.pack(f"{tmp_path}/mine.py:mak", tmp_path / "s.h5")


@pytest.mark.parametrize("label, said", [(1.7, "not 1.7"), ("two", "not 'two'"), (np.eye(9)[3], r"not array\(\[0., 0., 0., 1., "), (np.nan, "not nan"),
                                         (-2, r"label -2 is not in 0..2")])
def test_labels_are_numbers_of_classes(tmp_path, label, said):
    with pytest.raises(facet.FacetError, match=f"sample 2: .*{said}") as caught:
        facet.pack(Set(pictures(), [0, 2.0, label] * 3), tmp_path / "s.h5")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 120
    assert packed(facet.pack(Set(pictures(), [-1] * 9), tmp_path / "s.h5").path)[1] is None
    assert packed(facet.pack(Set(pictures(), np.arange(9) % 3.0), tmp_path / "s.h5").path)[1].tolist() == [0, 1, 2] * 3


def test_data_sets_of_hugging_face_in_python(tmp_path):
    """What its items and features look like; by hand it was tried with the package `datasets` itself."""

    class ClassLabel:
        def __init__(self, names):
            self.names = names

    class Rows:
        features = {"img": object.__new__(type("Image", (), {})), "fine": ClassLabel(["a", "b"]), "coarse": ClassLabel(["c"])}

        def __len__(self):
            return 4

        def __getitem__(self, i):
            return {"img": Image.fromarray(pictures()[i]), "fine": i % 2, "coarse": 0}

    with pytest.raises(facet.FacetError, match="Rows: several label columns: fine, coarse; say which with --label"):
        facet.pack(Rows(), tmp_path / "r.h5")
    found, given, names = packed(facet.pack(Rows(), tmp_path / "r.h5", label="fine").path)
    assert np.array_equal(found, channels_first(pictures()[:4])) and given.tolist() == [0, 1, 0, 1] and names == ["a", "b"]


def test_data_sets_of_pytorch(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, y = torch.rand(7, 3, 4, 4), torch.arange(7) % 3
    made = facet.pack(torch.utils.data.TensorDataset(x, y), tmp_path / "t.h5")
    found, given, names = packed(made.path)
    assert np.array_equal(found, x.numpy()) and np.array_equal(given, y) and made.scale == 1 and names == []


def test_facet_reads_it(tmp_path):
    """A folder of images and a CSV, packed: the same study as of the data themselves."""
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)
    raw = {name: np.frombuffer((tmp_path / f"{name}-{what}").read_bytes()[skip:], np.uint8)
           for what, skip in (("labels", 8),) for name in ("train", "test")}
    pixels = {name: np.frombuffer((tmp_path / f"{name}-images").read_bytes()[16:], np.uint8).reshape(-1, 12, 12)
              for name in raw}
    write_tables(tmp_path / "test", pixels["test"], raw["test"], {**FEATURES, "label": {"names": list("abcd"),
                                                                                       "_type": "ClassLabel"}})
    rows = [",".join(map(str, [label, *image.ravel()])) for label, image in zip(raw["train"], pixels["train"])]
    (tmp_path / "train.csv").write_text("\n".join(rows))
    assert main(["pack", str(tmp_path / "train.csv"), str(tmp_path / "train.h5"), "--shape", "1x12x12"]) == 0
    assert main(["pack", str(tmp_path / "test"), str(tmp_path / "test.h5")]) == 0
    text = STUDY.replace("output: out", "output: packed")
    for name in ("train", "test"):
        text = text.replace(f"{{format: idx, images: {name}-images, labels: {name}-labels}}",
                            f"{{format: hdf5, images: {name}.h5}}")
    (tmp_path / "packed.yaml").write_text(text)
    done = run("check", tmp_path / "packed.yaml")
    assert done.returncode == 0, done.stderr
    sums = []
    for name, out in (("study", "out"), ("packed", "packed")):
        done = run("run", tmp_path / f"{name}.yaml")
        assert done.returncode == 0, done.stderr
        with h5py.File(tmp_path / out / "study.h5") as h5:
            sums.append((h5["image"][:], h5["label"][:], h5["prediction/logits"][:]))
    assert all(np.array_equal(a, b) for a, b in zip(*sums))


def test_what_is_printed_is_a_study(tmp_path):
    images, labels = pictures(20, (8, 8)), [i % 3 for i in range(20)]
    made = facet.pack(Set(images, labels), tmp_path / "s.h5")
    model = "model: {architecture: {conv: [4]}, train: {epochs: 1, batch: 10}}\n"
    data = made.study().replace("  test:", f"  train: {{format: hdf5, images: {tmp_path}/s.h5}}\n  test:")
    (tmp_path / "s.yaml").write_text(f"study: s\noutput: out\n{data}\n{model}conditions: [clean]\n")
    done = run("check", tmp_path / "s.yaml")
    assert done.returncode == 0, done.stderr


CODE = """
import sys, facet
import numpy as np
class Set:
    def __len__(self): return int(sys.argv[1])
    def __getitem__(self, i): return np.full((3, 64, 64), i % 256, np.uint8), i % 10
facet.pack(Set(), sys.argv[2])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))  # not what started it had, as ru_maxrss may
"""


def test_memory_does_not_grow_with_the_data(tmp_path):
    def most(count):
        done = subprocess.run([sys.executable, "-c", CODE, str(count), str(tmp_path / "big.h5")], capture_output=True,
                              text=True, timeout=PATIENCE, env={**os.environ, "PYTHONPATH": str(ROOT / "analysis")})
        assert done.returncode == 0, done.stderr
        return int(done.stdout) * 1024

    few, many = most(1000), most(6000)  # 12 and 74 MB
    assert many - few < 20e6
    assert (tmp_path / "big.h5").stat().st_size > 70e6


def test_the_bar_on_a_terminal(tmp_path):
    folder_of(tmp_path / "f", pictures())
    ours, theirs = os.openpty()
    done = subprocess.run([sys.executable, "-m", "facet", "pack", str(tmp_path / "f"), str(tmp_path / "f.h5")], stderr=theirs,
                          stdout=subprocess.PIPE, timeout=PATIENCE, env={**os.environ, "PYTHONPATH": str(ROOT / "analysis")})
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # it is drained
        while more := os.read(ours, 1 << 16):
            said += more
    os.close(ours)
    assert done.returncode == 0 and said.decode().endswith(f"facet pack: 9 of 9 [{30 * '#'}] 0:00 left\r\n")


@pytest.mark.parametrize("make, said, status", [
    (lambda f: None, "source: no such file or folder", 66),
    (lambda f: f.mkdir(), "source: no folders with images in them", 65),
    (lambda f: folder_of(f, pictures(), ["train", "val"]), "source: holds train, val, which are no classes: pack ", 65),
    (lambda f: f.write_text("x"), "source: neither a folder nor", 65),
    (lambda f: (f / "a").mkdir(parents=True) or (f / "a" / "1.png").write_text("x"), "1.png: no image, or a damaged one", 65),
])
def test_what_is_wrong_is_said(tmp_path, capsys, make, said, status):
    make(tmp_path / "source")
    assert main(["pack", str(tmp_path / "source"), str(tmp_path / "out.h5")]) == status
    error = capsys.readouterr().err
    assert error.startswith("facet pack: ") and said in error and error.count("\n") == 1
    assert not list(tmp_path.glob("out.h5*"))


@pytest.mark.parametrize("text, how, said", [
    ("label,a\n0,1\n1,x\n", {}, "not numbers, near row 0"),
    ("label,a\n0,1\n1,\n", {}, "row 1, column a: nan"),
    ("label,a,b\n0,1,2\n", {"shape": (3, 1, 1)}, "2 numbers in a row are not 3 x 1 x 1"),
    ("label,a\n0,1\n", {"label": "lable"}, "no column is called lable: did you mean label"),
    ("file,label\nnone.png,1\n", {}, "none.png: no such file"),
    ("label,a\n0,1\n,2\n", {}, "row 1: has no label, unlike those before"),
    ("label,a\n0,1\n", {"count": 2}, "1 samples, not 2"),
    (",label,a\n0,0,1\n1,1,2\n", {}, "t.csv: column 1 has no name: is it the index of a table"),
    ("label,a,a\n0,1,2\n", {}, "t.csv: several columns are called a"),
    ("", {}, "t.csv: is empty"),
])
def test_what_is_wrong_in_a_csv(tmp_path, text, how, said):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(facet.FacetError, match=said) as caught:
        facet.pack(tmp_path / "t.csv", tmp_path / "t.h5", **how)
    assert "\n" not in str(caught.value)


def test_where_it_cannot_be_written(tmp_path):
    with pytest.raises(facet.FacetError, match="none/out.h5: cannot be written") as caught:
        facet.pack(Set(pictures(), [0] * 9), tmp_path / "none" / "out.h5")
    assert caught.value.status == 73
