"""The parts of the report that compare variants, conditions and samples, on a study that facet ran."""

import re

import h5py
import numpy as np
from conftest import STUDY, make_digits, run, sections

from facet.report.numbers import small

VARIANTS = """\
variants:
- {method: [magnitude, random], scope: global, sparsity: [0.5, 0.9], seeds: [1, 2]}
conditions: [clean, {corruption: [gaussian_noise, fog, pixelate], severity: [1, 5]}]
change: {samples: 20}
"""


def test_the_page_compares_and_explains(tmp_path):
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY.split("variants:")[0] + VARIANTS)
    done = run("run", tmp_path / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    page = sections(tmp_path / "out/study.h5", "comparisons", "fragile")
    for name in ("error_table", "class_movement", "directions", "similarity", "fragile_samples"):
        assert f'<figure id="{name}">' in page and (tmp_path / f"out/{name}.png").stat().st_size > 5000, name
    with h5py.File(tmp_path / "out/study.h5") as h5:
        flips = h5["fragility/flips"][:]
        assert f"{(flips > 0).sum()} of 130 samples get another class" in page
        first = int(h5["fragility/rank"][0])
        assert f"> {first}</td>" in page and f"<td>{flips[first]} of 63</td>" in page  # 9 variants x 7 conditions
        failed, said = h5["summary/failed"][:] == 1, h5["prediction/class"][:, :, first]
        under = (said[~failed] != said[0, 0]).sum(axis=0)
        hardest = 1 + int(under[1:].argmax())  # its picture, and how many
        assert re.search(rf'<td><img [^>]*> {h5["condition"].asstr()[hardest]}: {under[hardest]} of {(~failed).sum()}</td>', page)
        mean = 100 * h5["summary/mean_error"][:][1:3].mean()
        assert f"{mean:.2f}\u202f%" in page or f"{mean:.2f} %" in page
        worst = max(np.nanmax(h5[f"change/{v}/residual"][:]) for v in h5["variant"].asstr()[1:])
        assert small(worst) in page
    with h5py.File(tmp_path / "out/study.h5", "a") as h5:
        del h5.attrs["normalize_mean"]  # the network's input is not known any more, pixels are
    assert re.findall("<img [^>]*>", sections(tmp_path / "out/study.h5", "fragile")) == re.findall("<img [^>]*>", page[page.index("<td><img"):])


def test_a_file_without_comparisons_has_none_of_it(tmp_path):
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY.split("variants:")[0] + "conditions: [clean]\n")
    assert run("run", tmp_path / "study.yaml").returncode == 0
    page = sections(tmp_path / "out/study.h5", "comparisons", "fragile")
    assert "fragile_samples" not in page and "error_table" not in page and 'id="similarity"' not in page
