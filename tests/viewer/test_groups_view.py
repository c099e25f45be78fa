"""Changes of groups in a real Chromium: parts that add up to h5py's sums, by node and by pixel, and the samples of a group selected."""

import shutil

import h5py
import numpy as np
import pytest

import made_study
from browsing import h5, lacking, see, settled, viewer  # noqa: F401

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")

SAMPLES, TAKEN, SIDE, NODES = 300, 80, 8, [f"node{n}" for n in range(12)]
GROUPS = ["all", "class/<b>0</b>", "class/1", "light/0"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The first pruned network against dense, and under the first noise; no sample of the last group has a margin."""
    path = tmp_path_factory.mktemp("groups") / "made.h5"
    made_study.make(path, index=False, samples=SAMPLES, side=SIDE)
    random = np.random.default_rng(8)
    with h5py.File(path, "a") as h5:
        name = h5["variant"].asstr()[1]
        made_study.texts(h5, "change/group", GROUPS)
        made_study.texts(h5, f"change/{name}/node_name", NODES)
        arrays = {"change/sample": random.permutation(SAMPLES)[:TAKEN], "change/member": random.integers(0, 2, (TAKEN, len(GROUPS))).astype("u1")}
        for where in (f"change/{name}", f"change/{name}/noise/1"):
            found = {"samples": np.array([80, 30, 25, 0]), "lost": np.array([9, 5, 4, 0]), "won": np.array([3, 2, 1, 0]), "pixel": random.normal(0, 2, (4, 1, SIDE, SIDE)),
                     "node": random.normal(0, 20, (4, len(NODES))), "residual": np.full(4, 1e-9)}
            if where.endswith("noise/1"):
                found["moved"] = random.normal(0, 1, found["pixel"].shape)
            found["total"] = sum(found[part].reshape(4, -1).sum(axis=1) for part in ("pixel", "node", "moved") if part in found)
            arrays |= {f"{where}/group_{what}": values for what, values in found.items()}
        made_study.put(h5, arrays)
    return path


@pytest.fixture
def page(viewer, path, h5):  # noqa: F811
    with viewer.shown(path, f"second={h5['variant'].asstr()[1]}") as shown:
        see(shown, "groups", ".groups-one h3")
        yield shown


def parts(page):
    """{group: [all pixels, nodes …, sum]}"""
    return dict(page.eval_on_selector_all("#groups tbody tr[data-group]", "(all) => all.map((row) => [row.dataset.group, [...row.querySelectorAll('td[data-value]')].map((cell) => Number(cell.dataset.value))])"))


def mean(h5, where, what, group):
    return h5[f"{where}/group_{what}"][group].sum() / h5[f"{where}/group_samples"][group]


@pytest.mark.parametrize("condition", ["clean", "noise/1"])
def test_parts_add_up_to_the_change(page, h5, condition):
    where = f"change/{h5['variant'].asstr()[1]}" + ("" if condition == "clean" else "/noise/1")
    page.evaluate("(name) => facetViewer.store.set({ condition: facetViewer.study.conditions.indexOf(name) })", condition)
    settled(page)
    found = parts(page)
    total = h5[f"{where}/group_total"][:] / np.maximum(h5[f"{where}/group_samples"][:], 1)
    assert list(found) == ["all", *(GROUPS[g] for g in sorted((1, 2), key=lambda g: total[g]))]
    for name, numbers in found.items():
        g = GROUPS.index(name)
        pixels = mean(h5, where, "pixel", g) + (mean(h5, where, "moved", g) if condition != "clean" else 0)
        node = h5[f"{where}/group_node"][:] / np.maximum(h5[f"{where}/group_samples"][:], 1)[:, None]
        largest = np.sort(np.argsort(-abs(node[:3]).max(axis=0))[:8])
        assert numbers[0] == pytest.approx(pixels) and numbers[1:9] == pytest.approx(node[g, largest])
        assert numbers[9] == pytest.approx(node[g].sum() - node[g, largest].sum())
        assert numbers[10] == pytest.approx(sum(numbers[:10])) and numbers[10] == pytest.approx(total[g])
    assert page.query_selector("#groups b:text-is('0')") is None  # a class's name is text


def test_the_chosen_group_by_pixel_and_its_samples(page, h5):
    where = f"change/{h5['variant'].asstr()[1]}"
    page.click("#groups tr[data-group='class/1'] button")
    page.wait_for_function("location.hash.includes('groups.group=2')")
    page.reload()
    page.wait_for_function("window.facetViewer")
    see(page, "groups", ".groups-one h3")
    assert page.text_content("#groups .groups-one h3") == "Why the margin of class/1 changed"
    assert "25 samples, 4 of them lost, 1 won" in page.text_content("#groups .groups-one .note")
    rows = {row.query_selector(".name").text_content(): float(row.query_selector("[data-value]").get_attribute("data-value")) for row in page.query_selector_all("#groups .ledger tr")}
    assert rows["all pixels"] == pytest.approx(mean(h5, where, "pixel", 2)) and rows["bias"] == pytest.approx(mean(h5, where, "node", 2))
    assert rows["sum"] == pytest.approx(rows["all pixels"] + rows["bias"])
    box = page.locator("#groups .pixel-map .plot")
    box.scroll_into_view_if_needed()
    size = box.bounding_box()
    box.hover(position={"x": 3.5 * size["width"] / SIDE, "y": 6.5 * size["height"] / SIDE}, force=True)
    value = h5[f"{where}/group_pixel"][2, 0, 6, 3] / 25
    assert "pixel y 6, x 3" in page.text_content(".tip") and f"{abs(value):.3f}" in page.text_content(".tip")
    page.click("#groups .groups-one button")
    page.wait_for_function("facetViewer.store.state.selected !== null")
    settled(page)
    members = np.sort(h5["change/sample"][:][h5["change/member"][:, 2] == 1])
    assert np.array_equal(np.flatnonzero(page.evaluate("Array.from(facetViewer.store.state.selected)")), members)


def test_what_is_not_added_up_is_said(viewer, path, h5, tmp_path):  # noqa: F811
    page = viewer.open(path, f"second={h5['variant'].asstr()[1]}&condition=noise/2")
    see(page, "groups", ".groups-one h3")
    assert "noise/2 is not compared with clean" in page.text_content("#groups .groups-head")
    page.evaluate("facetViewer.store.set({ second: 2 })")
    settled(page)
    assert "No changes of magnitude-global-0.1-s2 are added up" in page.text_content("#groups .unavailable") and page.is_hidden("#groups table >> nth=0")
    page.close()
    shutil.copy(path, tmp_path / "cut.h5")
    with h5py.File(tmp_path / "cut.h5", "a") as cut:
        del cut[f"change/{h5['variant'].asstr()[1]}/group_pixel"], cut["index"]
    page = viewer.open(tmp_path / "cut.h5", f"second={h5['variant'].asstr()[1]}")
    see(page, "groups", ".groups-one h3")
    assert "no changes of groups by pixel" in page.text_content("#groups .groups-one .unavailable")
    assert parts(page)["class/1"][0] == pytest.approx(mean(h5, f"change/{h5['variant'].asstr()[1]}", "pixel", 2))
    page.close()
    made_study.make(tmp_path / "none.h5")
    page = viewer.open(tmp_path / "none.h5")
    see(page, "groups", ".unavailable")
    assert "change: {groups: class}" in page.text_content("#groups .unavailable")
    page.close()
    assert not viewer.wrong
