"""The report's map: positions are sums over pixels, movements the difference of two of them, and the page shows the file's
numbers, or nothing of it where the study has no map."""

import h5py
import numpy as np
import pytest

from conftest import STUDY, make_digits, run, sections

from facet import Study, StudyError
from facet.plot import embedding as maps

EMBED = "embed: {layers: [24, 16], perplexity: 12, batch: 250, epochs: 20, explain: 40}\n"


def made(folder, tail):
    make_digits(folder, train=500, test=120)
    (folder / "study.yaml").write_text(STUDY + tail)
    done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    return folder / "out/study.h5"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return made(tmp_path_factory.mktemp("map"), EMBED)


def test_positions_and_movements_are_sums(path):
    with Study(path) as study:
        variant = study.variants[-1]
        for sample in (0, 7, 39):
            parts = {v: study.position(v, sample) for v in ("dense", variant)}
            for v, part in parts.items():
                assert part.pixels.shape == (2, *study.shape)
                np.testing.assert_array_equal(part.total, study.file["embed/position"][study.variant_index(v), study.condition_index("clean"), sample])
                np.testing.assert_allclose(part.sum, part.total, rtol=0, atol=1e-11)
                np.testing.assert_allclose(part.b_node.sum(axis=1), part.b, rtol=0, atol=1e-11)
            moved = study.movement(variant, sample)
            np.testing.assert_array_equal(moved.total, parts[variant].total - parts["dense"].total)
            assert np.abs(moved.total).max() > 1e-3
            np.testing.assert_allclose(moved.sum, moved.total, rtol=0, atol=1e-11)
            np.testing.assert_allclose(moved.b_node.sum(axis=1), moved.b, rtol=0, atol=1e-11)
        with pytest.raises(StudyError, match="position of sample 40 of dense is not explained"):
            study.position("dense", 40)


def test_farthest_are_of_all_classes(path):
    with Study(path) as study:
        picks = maps.farthest(study, 5)
        assert len({study.label[sample] for sample, _ in picks}) == min(5, len(set(study.label[:40])))
        assert all(sample < 40 and variant != "dense" for sample, variant in picks)
        c, y = study.condition_index("clean"), study.file["embed/position"][()]
        far = np.linalg.norm(y[:, c, :40] - y[study.variant_index("dense"), c, :40], axis=-1)
        sample, variant = picks[0]
        assert variant not in study.failed
        assert far[study.variant_index(variant), sample] == far[[v not in study.failed for v in study.variants]].max()


def test_the_page_has_the_map(path):
    page = sections(path, "map")
    assert '<section id="map">' in page
    with h5py.File(path) as f:
        error, trust, _ = f["embed/quality"][0]
        assert f"<td>{100 * error:.2f}</td><td>{trust:.4f}</td>" in page
    for name in ("map", "maps_of_variants", "movements", "explained_positions", "embedding_training"):
        assert f'<figure id="{name}">' in page and (path.parent / f"{name}.png").stat().st_size > 5000


@pytest.mark.parametrize("dimensions, words", [(1, "one axis"), (3, "third axis")])
def test_maps_of_one_and_three_dimensions(tmp_path, dimensions, words):
    section = EMBED.replace("{", f"{{dimensions: {dimensions}, alpha: learned, ").replace("epochs: 20", "epochs: 3")
    with Study(made(tmp_path, section)) as study:
        assert maps.places(study, "dense").shape == (120, 2) and words in study.plot.map().caption
        assert study.plot.explained_positions() and study.plot.movements()
        assert len(study.plot.embedding_training().axes) == 3  # with alpha


def test_no_map_without_embed(tmp_path):
    assert sections(made(tmp_path, ""), "map") == ""
