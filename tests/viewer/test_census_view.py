"""Activation patterns in a real Chromium: how far they are from dense's and clean ones, what never changes, and who shares a region,
as h5py has it."""

import h5py
import numpy as np
import pytest

import made_study
from browsing import h5, lacking, see, settled, viewer  # noqa: F401

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")

SAMPLES, GATES, FIRST, ELEMENTS = 300, ["relu1", "pool1", "relu2"], np.array([0, 40, 60]), np.array([40, 20, 64])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Of dense and the first pruned network, clean and under the first noise; the second noise was not counted."""
    path = tmp_path_factory.mktemp("census") / "made.h5"
    made_study.make(path, index=False, samples=SAMPLES)
    random = np.random.default_rng(6)
    with h5py.File(path, "a") as h5:
        names = h5["variant"].asstr()[:]
        regions, arrays = np.full((len(names), 3), -1), {}
        for v, name in enumerate(names[:2]):
            distance = random.integers(0, 10, (3, SAMPLES, 2, 3)).astype("i4")
            distance[0, :, 1] = 0
            if v == 0:
                distance[:, :, 0] = 0
            shared, at = np.zeros((3, SAMPLES), "i4"), 0
            for size in [1] * 100 + [2] * 40 + [3] * 20 + [60]:  # so many samples in each region
                shared[:, at:at + size] = size
                at += size
            assert at == SAMPLES
            for condition in (0, 1):
                random.shuffle(shared[condition])
            regions[v, :2] = 161
            constant = random.integers(0, ELEMENTS + 1, (3, 3))
            found = {"distance": distance, "shared": shared, "constant": constant, "dead": constant // 2, "first": FIRST, "element": np.arange(ELEMENTS.sum())}
            arrays |= {f"census/{name}/{what}": values for what, values in found.items()}
            made_study.texts(h5, f"census/{name}/gate", GATES)
        made_study.put(h5, arrays | {"census/regions": regions})
    return path


@pytest.fixture
def page(viewer, path, h5):  # noqa: F811
    with viewer.shown(path, f"second={h5['variant'].asstr()[1]}&condition=noise/1") as shown:
        see(shown, "census", "g.gate")
        yield shown


def bars(page, part):
    """{row: [number of each network]}"""
    rows = page.eval_on_selector_all(f"#census .layer-part >> nth={part} >> g.node", "(all) => all.map(({ dataset }) => [dataset.node, dataset.means])")
    return {name: [float(number) for number in means.split()] for name, means in rows}


def wanted(h5, variants, reference, taken):
    found = {name: [] for name in ["all nodes", *GATES]}
    for v in variants:
        distance = h5[f"census/{h5['variant'].asstr()[v]}/distance"][1, taken, reference].astype(float)
        found["all nodes"].append(100 * distance.sum(axis=1).mean() / ELEMENTS.sum())
        for g, gate in enumerate(GATES):
            found[gate].append(100 * distance[:, g].mean() / ELEMENTS[g])
    return {name: pytest.approx(numbers, rel=1e-9) for name, numbers in found.items()}


def test_how_far_patterns_are_follows_the_selection(page, h5):
    taken = np.ones(SAMPLES, bool)
    assert bars(page, 0) == wanted(h5, [1], 0, taken) and bars(page, 1) == wanted(h5, [0, 1], 1, taken)
    page.evaluate("facetViewer.store.set({ selected: Uint8Array.from({ length: 300 }, (_, i) => Number(i % 7 === 0)) })")
    settled(page)
    taken = np.arange(SAMPLES) % 7 == 0
    assert bars(page, 0) == wanted(h5, [1], 0, taken) and bars(page, 1) == wanted(h5, [0, 1], 1, taken)
    page.evaluate("facetViewer.store.set({ condition: 0 })")
    settled(page)
    assert page.is_hidden("#census .layer-part >> nth=1 >> .plot") and "Choose a corrupted condition" in page.text_content("#census .layer-part >> nth=1")


def test_what_elements_do_over_all_samples(page, h5):
    found = page.eval_on_selector_all("#census g.gate", "(all) => all.map(({ dataset }) => [dataset.variant, dataset.gate, dataset.shares])")
    assert len(found) == 8
    for variant, gate, shares in found:
        constant, dead = (h5[f"census/{variant}/{what}"][1] for what in ("constant", "dead"))
        parts = np.array([ELEMENTS - constant, constant - dead, dead])
        share = parts.sum(axis=1) / ELEMENTS.sum() if gate == "all nodes" else parts[:, GATES.index(gate)] / ELEMENTS[GATES.index(gate)]
        assert [float(one) for one in shares.split()] == pytest.approx(share)


def test_who_shares_a_region_and_selecting_them(page, h5):
    shared = [h5[f"census/{name}/shared"][1] for name in h5["variant"].asstr()[:2]]
    sizes = {"alone": (1, 1), "2 together": (2, 2), "3–4 together": (3, 4), "33–64 together": (33, 64)}
    found = bars(page, 3)
    assert {name: numbers for name, numbers in found.items() if any(numbers)} == {name: [np.sum((one >= low) & (one <= high)) for one in shared] for name, (low, high) in sizes.items()}
    page.locator("#census g.node[data-node='3–4 together']").dispatch_event("click")
    settled(page)
    assert np.array_equal(page.evaluate("Array.from(facetViewer.store.state.selected)"), shared[1] == 3)
    assert bars(page, 3)["3–4 together"] == [np.sum((shared[0] == 3) & (shared[1] == 3)), 60]
    page.focus("#census g.node[data-node='2 together']")
    page.keyboard.press("Shift+Enter")
    settled(page)
    assert np.array_equal(page.evaluate("Array.from(facetViewer.store.state.selected)"), shared[0] == 2)
    assert "all 300 samples lie in 161 regions, 33.3 % of them alone, and at most 60 in one" in page.text_content("#census .layer-part >> nth=3")


def test_what_was_not_counted_is_said(viewer, path, h5, tmp_path):  # noqa: F811
    page = viewer.open(path, "condition=noise/2")
    see(page, "census", ".layer-part")
    assert "The patterns of dense under noise/2 were not counted" in page.text_content("#census .layer-part >> nth=2 >> .note")
    assert page.query_selector("#census g.node") is None
    page.close()
    made_study.make(tmp_path / "none.h5")
    page = viewer.open(tmp_path / "none.h5")
    see(page, "census", ".unavailable")
    assert "the key census of a study counts them" in page.text_content("#census .unavailable")
    page.close()
    assert not viewer.wrong
