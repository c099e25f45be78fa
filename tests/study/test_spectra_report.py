"""The section "Spectra" of the report, on studies that facet ran."""

import re
import shutil

import h5py
import numpy as np
import pytest

from conftest import STUDY, make_digits, run, sections

from facet import Study
from facet.__main__ import main
from facet.plot import spectra
from facet.report.numbers import small

MORE = """\
variants:
- {method: magnitude, sparsity: [0.5, 0.95]}
conditions: [clean, {corruption: gaussian_noise, severity: 5}]
linearize: {variants: [dense, magnitude-global-0.95], samples: 40}
aggregate: {spectrum: 8, method: METHOD}
"""
FIGURES = ("singular_values", "leading_directions", "principal_angles", "cka")


def make(folder, name, more):
    (folder / f"{name}.yaml").write_text(STUDY.split("variants:")[0].replace("output: out", f"output: {name}") + more)
    done = run("run", folder / f"{name}.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    return folder / name / "study.h5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Finished studies: gram, random, features (CKA alone), and none."""
    folder = tmp_path_factory.mktemp("spectra")
    make_digits(folder)
    for method in ("gram", "random"):
        make(folder, method, MORE.replace("METHOD", method))
    make(folder, "features", MORE.replace("spectrum: 8, method: METHOD", "spectrum: none"))
    make(folder, "none", MORE.split("aggregate:")[0])
    return folder


def cells(text):
    """{variant: cells} of the table."""
    rows = re.findall(r"<tr>(<td>.*?)</tr>", text)
    lines = [[re.sub("<[^>]*>", "", cell) for cell in re.findall("<td>(.*?)</td>", row)] for row in rows]
    return {line[0]: line[1:] for line in lines}


@pytest.mark.parametrize("method", ["gram", "random"])
def test_the_numbers_of_the_file(folder, tmp_path, method):
    text = sections(folder / method / "study.h5", "spectra", folder=tmp_path)
    for name in FIGURES:
        assert f'<figure id="{name}">' in text and (tmp_path / f"{name}.png").stat().st_size > 5000, name
    found = cells(text)
    with h5py.File(folder / method / "study.h5") as h5:
        names = list(h5["variant"].asstr()[:])
        assert list(found) == ["dense", "magnitude-global-0.95"]
        for name, line in found.items():
            v, share = names.index(name), h5[f"aggregate/{name}/share"][:]
            rank = h5["aggregate/effective_rank"][v]
            assert line[0] == (f"{rank:.1f}" if method == "gram" else "–")
            assert line[1:4] == [f"{100 * share[:k].sum():.1f} %" for k in (1, 5, 8)]
            assert line[4:] == ["8", method, small(h5["aggregate/residual"][v])]
    assert ("bounds the error" in text) == (method == "random")


def test_pictures_hold_the_numbers_of_the_file(folder):
    with Study(folder / "gram/study.h5") as study:
        file, at = study.file, [0, study.variants.index("magnitude-global-0.95")]
        figure = study.plot.singular_values()
        drawn = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
        for name in ("dense", "magnitude-global-0.95"):
            assert np.array_equal(drawn[name], file[f"aggregate/{name}/singular_values"][:])
        figure = study.plot.principal_angles()
        angles = np.degrees(file["aggregate/principal_angles"][:][np.ix_(at, at)])
        np.testing.assert_allclose(figure.axes[0].images[0].get_array(), angles.mean(axis=2))
        np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), angles[0, 1])
        figure = study.plot.cka()
        assert np.array_equal(figure.axes[0].images[0].get_array(), file["aggregate/cka"][:])
        figure = study.plot.leading_directions()
        pictures = [axis.images[0].get_array() for axis in figure.axes]
        assert len(pictures) == 12
        for mine, dense in zip(pictures[6:], pictures):  # made comparable
            assert np.sum(mine * dense) >= 0
        for place, picture in enumerate(pictures[6:]):
            stored = file["aggregate/magnitude-global-0.95/directions"][place, 0]
            assert np.array_equal(picture, stored) or np.array_equal(picture, -stored)


def test_channels_last_is_put_in_order(folder, tmp_path):
    shutil.copy(folder / "gram/study.h5", tmp_path / "study.h5")
    picture = np.random.default_rng(1).normal(size=(8, 12, 12, 3))
    with h5py.File(tmp_path / "study.h5", "a") as h5:
        image = h5["image"][:].repeat(3, axis=1)
        del h5["image"], h5["aggregate/dense/directions"], h5["aggregate/magnitude-global-0.95/directions"]
        h5["image"] = image
        for name in ("dense", "magnitude-global-0.95"):
            h5[f"aggregate/{name}/directions"] = picture
            h5[f"aggregate/{name}/directions"].attrs["order"] = "channels_last"
    with Study(tmp_path / "study.h5") as study:
        assert np.array_equal(spectra.directions_of(study, "dense"), picture.transpose(0, 3, 1, 2))
        figure = study.plot.leading_directions()
        drawn = figure.axes[0].images[0].get_array()
        assert drawn.shape == (12, 12, 3) and "Mid-grey" in figure.caption
        assert np.array_equal(drawn > 0.5, picture[0] > 0)


def test_nothing_without_aggregate_and_part_of_it_alone(folder, tmp_path, undrawn):
    assert sections(folder / "none/study.h5", "spectra", folder=tmp_path) == ""
    text = sections(folder / "features/study.h5", "spectra", folder=tmp_path)
    assert 'id="cka"' in text and "<table>" not in text and 'id="singular_values"' not in text
    assert main(["report", str(folder / "none/study.h5"), "--out", str(tmp_path / "none")]) == 0
    assert 'id="spectra"' not in (tmp_path / "none/report.html").read_text(encoding="utf-8")
    assert main(["report", str(folder / "gram/study.h5"), "--out", str(tmp_path / "gram")]) == 0
    assert '<section id="spectra">' in (tmp_path / "gram/report.html").read_text(encoding="utf-8")


def test_unfinished_and_odd_texts(folder, tmp_path):
    shutil.copy(folder / "gram/study.h5", tmp_path / "study.h5")
    with h5py.File(tmp_path / "study.h5", "a") as h5:
        h5["aggregate/item"][0] = "<b>$\\x$, clean"
        h5["aggregate/dense"].attrs["method"] = "<i>odd"
        for part in ("singular_values", "share", "directions"):
            h5[f"aggregate/magnitude-global-0.95/{part}"][...] = np.nan
    text = sections(tmp_path / "study.h5", "spectra", folder=tmp_path)
    assert "&lt;i&gt;odd" in text and "<i>" not in text and list(cells(text)) == ["dense"]
    assert 'id="principal_angles"' not in text and "nan" not in text.split("<img")[0]
    with h5py.File(tmp_path / "study.h5", "a") as h5:
        h5["aggregate/dense/singular_values"][...] = np.nan
        h5["aggregate/cka"][...] = np.nan
    assert sections(tmp_path / "study.h5", "spectra", folder=tmp_path) == ""
