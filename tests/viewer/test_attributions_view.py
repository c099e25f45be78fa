"""Attributions in a real Chromium: maps and figures of faithfulness are h5py's numbers, and what is not there is said."""

import shutil

import h5py
import numpy as np
import pytest

import made_study
from browsing import h5, lacking, see, settled, viewer  # noqa: F401

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")

METHODS = ["gradient", "exact_integrated_gradients", "lrp_gamma", "gradcam"]
EXACT, NUMBERS, SIDE = 1, [0, 1, 2, 3, 7], 8
FIGURES = ("deletion_area", "insertion_area", "infidelity", "sensitivity")
CURVES, POINTS = ("deletion", "insertion"), 5


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Of dense and the first pruned network; Grad-CAM says nothing of that one. Two outputs of each sample, the second one predicted."""
    path = tmp_path_factory.mktemp("attributions") / "made.h5"
    made = made_study.make(path, index=False, side=SIDE)
    random = np.random.default_rng(3)
    with h5py.File(path, "a") as h5:
        made_study.texts(h5, "attributions/method", METHODS)
        arrays = {"attributions/attributions_sample": np.array(NUMBERS)}
        for v, name in enumerate(h5["variant"].asstr()[:2]):
            given = made["given"][v, 0][NUMBERS]
            maps = random.normal(0, 1, (len(METHODS), len(NUMBERS), 2, 1, SIDE, SIDE)).astype("f4")
            if v == 1:
                maps[METHODS.index("gradcam")] = np.nan
            found = {"attribution": maps, "row": np.stack([(given + 1) % 4, given], 1).astype("i4")}
            found |= {figure: random.uniform(0, 1, maps.shape[:3]) for figure in FIGURES}
            found |= {curve: random.uniform(0, 1, (*maps.shape[:3], POINTS)) for curve in CURVES}
            found["overlap"] = random.uniform(0, 1, (len(METHODS), *maps.shape[:3]))
            found["spearman"] = random.uniform(-1, 1, (len(METHODS), *maps.shape[:3]))
            if v == 1:
                for figure in FIGURES + CURVES:
                    found[figure][METHODS.index("gradcam")] = np.nan
                found["spearman"][:, METHODS.index("gradcam")] = found["spearman"][METHODS.index("gradcam")] = np.nan
                found["overlap"][:, METHODS.index("gradcam")] = found["overlap"][METHODS.index("gradcam")] = np.nan
            arrays |= {f"attributions/{name}/{what}": values for what, values in found.items()}
        made_study.put(h5, arrays)
    return path


@pytest.fixture
def page(viewer, path, h5):  # noqa: F811
    with viewer.shown(path, f"second={h5['variant'].asstr()[1]}") as shown:
        see(shown, "attributions", ".attribution-figures, #attributions .unavailable")
        yield shown


def sums(page, variant):
    return page.eval_on_selector_all(f"#attributions .attribution-sides section[data-variant='{variant}'] [data-method]",
                                     "(all) => all.map((one) => [one.dataset.method, one.querySelector('[data-sum]')?.dataset.sum ?? null])")


def figures(page, variant):
    """{method: [own, mean of each figure]}"""
    return dict(page.eval_on_selector_all(f"#attributions .attribution-table[data-variant='{variant}'] tbody tr",
                                          "(all) => all.map((row) => [row.dataset.method, [...row.querySelectorAll('td')].map((cell) => Number(cell.dataset.own ?? cell.dataset.mean))])"))


def wanted(h5, variant, at, row, taken):
    group, found = h5[f"attributions/{variant}"], {}
    for m, method in enumerate(METHODS):
        arrays = [group[figure][m] for figure in FIGURES] + [group["spearman"][m, EXACT], group["overlap"][m, EXACT]]
        if np.isfinite(arrays[0]).all():
            found[method] = pytest.approx([number for values in arrays for number in (values[at, row], values[taken].mean())], rel=1e-9)
    return found


def test_maps_of_the_predicted_class_next_to_the_exact_one(page, h5):
    for v, name in enumerate(h5["variant"].asstr()[:2]):
        maps, found = h5[f"attributions/{name}/attribution"], sums(page, name)
        order = [METHODS[EXACT], "gradient", "lrp_gamma", "gradcam"][:4 - v]
        assert [method for method, _ in found] == order
        for method, total in found:
            if method in ("gradient", "gradcam"):
                assert total is None
            else:
                assert float(total) == pytest.approx(float(maps[METHODS.index(method), 0, 1].sum(dtype="f8")), rel=1e-9)
        assert h5["class"].asstr()[h5["prediction/class"][v, 0, 0]] in page.text_content(f"#attributions section[data-variant='{name}'] h3")
    assert "nothing is said by Grad-CAM" in page.text_content("#attributions .attribution-sides section >> nth=1")


def test_pixels_are_read(page, h5):
    box = page.locator("#attributions section[data-variant=dense] [data-method=lrp_gamma] .plot")
    box.scroll_into_view_if_needed()
    size = box.bounding_box()
    value = h5["attributions/dense/attribution"][METHODS.index("lrp_gamma"), 0, 1, 0, 5, 2]
    box.hover(position={"x": 2.5 * size["width"] / SIDE, "y": 5.5 * size["height"] / SIDE}, force=True)
    text = page.text_content(".tip").replace("\u2212", "-")
    assert "pixel y 5, x 2" in text and (f"{value:.2f}" in text or f"{value:.3f}" in text)


def test_faithfulness_of_this_output_and_in_the_mean(page, h5):
    for name in h5["variant"].asstr()[:2]:
        assert figures(page, name) == wanted(h5, name, 0, 1, range(len(NUMBERS)))
    page.evaluate("facetViewer.store.set({ selected: Uint8Array.from({ length: 300 }, (_, i) => Number(i === 1 || i === 7 || i === 50)) })")
    settled(page)
    assert figures(page, "dense") == wanted(h5, "dense", 0, 1, [1, 4]) and "2 of the 5 samples" in page.text_content("#attributions > .body > .note")


def curves(page, variant, curve):
    """{method: points}"""
    return dict(page.eval_on_selector_all(f"#attributions .attribution-table[data-variant='{variant}'] [data-curve={curve}] path.share",
                                          "(all) => all.map((path) => [path.dataset.method, path.dataset.values.split(' ').map(Number)])"))


def test_curves_of_this_output_and_in_the_mean(page, h5):
    for v, name in enumerate(h5["variant"].asstr()[:2]):
        for curve in CURVES:
            all = h5[f"attributions/{name}/{curve}"]
            assert curves(page, name, curve) == {method: pytest.approx(all[m, 0, 1], rel=1e-9) for m, method in enumerate(METHODS[:4 - v])}
    place = page.locator("#attributions .attribution-table[data-variant=dense] [data-curve=insertion] .plot")
    place.scroll_into_view_if_needed()
    box, path = place.bounding_box(), page.locator("#attributions .attribution-table[data-variant=dense] [data-curve=insertion] path.share >> nth=1").bounding_box()
    place.hover(position={"x": path["x"] - box["x"] + path["width"] / 2, "y": 60}, force=True)
    wanted = h5["attributions/dense/insertion"][METHODS.index("lrp_gamma"), 0, 1, 2]
    text = page.text_content(".tip")
    assert "insertion, 50 % of the input" in text and f"LRP-γ{wanted:.3f}"[:9] in text
    page.select_option("#attributions .choices label:has-text('curves') select", "mean")
    page.evaluate("facetViewer.store.set({ selected: Uint8Array.from({ length: 300 }, (_, i) => Number(i === 1 || i === 7 || i === 50)) })")
    settled(page)
    page.wait_for_function("location.hash.includes('attributions.curves=mean')")
    for curve in CURVES:
        assert curves(page, "dense", curve) == {method: pytest.approx(h5[f"attributions/dense/{curve}"][m][[1, 4]].mean(axis=(0, 1)), rel=1e-9) for m, method in enumerate(METHODS)}


def test_another_output_and_the_scale_are_in_the_address(page, h5):
    row, name, classes = h5["attributions/dense/row"][0], h5["variant"].asstr()[1], h5["class"].asstr()[:]
    page.select_option("#attributions .choices select >> nth=0", classes[row[0]])
    page.select_option("#attributions .choices select >> nth=1", "one")
    page.wait_for_function("location.hash.includes('attributions.scale=one') && location.hash.includes('attributions.output=')")
    page.reload()
    page.wait_for_function("window.facetViewer")
    see(page, "attributions", ".attribution-figures, #attributions .unavailable")
    assert float(dict(sums(page, "dense"))["lrp_gamma"]) == pytest.approx(float(h5["attributions/dense/attribution"][2, 0, 0].sum(dtype="f8")), rel=1e-9)
    assert figures(page, "dense") == wanted(h5, "dense", 0, 0, range(len(NUMBERS)))
    bounds = page.eval_on_selector_all("#attributions :is([data-method=lrp_gamma], [data-method=exact_integrated_gradients]) .pixel-map .note", "(all) => all.map((note) => note.textContent)")
    assert len(bounds) == 4 and len(set(bounds)) == 1
    other = next(k for k in range(4) if k not in h5[f"attributions/{name}/row"][0])  # which the second network has no row of
    page.evaluate("(name) => facetViewer.store.set({ choices: { 'attributions.output': [name] } })", classes[other])
    settled(page)
    assert f"does not explain {classes[other]} here" in page.text_content(f"#attributions section[data-variant='{name}']")


def test_a_sample_that_is_none_of_them_leads_to_the_nearest(page, h5):
    page.evaluate("facetViewer.store.set({ sample: 6 })")
    settled(page)
    assert "Sample 6 is not among the 5 that are attributed: 0–3, 7." in page.text_content("#attributions .among")
    assert figures(page, "dense")["gradient"][1] == pytest.approx(h5["attributions/dense/deletion_area"][0].mean())
    page.click("#attributions .among button")
    page.wait_for_selector("#attributions .attribution-sides")
    settled(page)
    assert page.evaluate("facetViewer.store.state.sample") == 7
    assert figures(page, "dense") == wanted(h5, "dense", 4, 1, range(len(NUMBERS)))
    page.focus("#attributions button[title='the one before of these samples']")
    page.keyboard.press("Enter")
    page.wait_for_function("facetViewer.store.state.sample === 3")
    settled(page)
    page.keyboard.press("Enter")
    page.wait_for_function("facetViewer.store.state.sample === 2")
    assert page.evaluate("facetViewer.store.state.sample") == 2


def test_what_is_not_there_is_said(viewer, path, h5, tmp_path):  # noqa: F811
    page = viewer.open(path, f"second={h5['variant'].asstr()[2]}")
    see(page, "attributions", ".attribution-figures, #attributions .unavailable")
    assert "did not attribute outputs of this network" in page.text_content("#attributions .attribution-sides section >> nth=1")
    page.close()
    few = tmp_path / "few.h5"
    made_study.make(few, index=False)
    page = viewer.open(few)
    see(page, "attributions", ".attribution-figures, #attributions .unavailable")
    assert "the key attributions of a study asks for them" in page.text_content("#attributions .unavailable")
    page.close()
    shutil.copy(path, tmp_path / "cut.h5")
    with h5py.File(tmp_path / "cut.h5", "a") as cut:
        del cut["attributions/dense/attribution"], cut[f"attributions/{h5['variant'].asstr()[1]}/attribution"], cut["index"]
    page = viewer.open(tmp_path / "cut.h5")
    see(page, "attributions", ".attribution-figures, #attributions .unavailable")
    assert "was cut down" in page.text_content("#attributions .unavailable")
    page.close()
    with h5py.File(few, "a") as file:
        made_study.texts(file, "attributions/method", ["gradient"])
        arrays = {"attributions_sample": np.array([4]), "dense/attribution": np.ones((1, 1, 1, 1, 8, 8), "f4"), "dense/row": np.array([[2]], "i4")}
        made_study.put(file, {f"attributions/{place}": values for place, values in arrays.items()})
    page = viewer.open(few)
    see(page, "attributions", ".attribution-figures, #attributions .unavailable")
    assert "faithfulness was not measured" in page.text_content("#attributions > .body > .note")
    assert [method for method, _ in sums(page, "dense")] == ["gradient"] and "sample 4" in page.text_content("#attributions .attribution-sample")
    page.close()
    assert not viewer.wrong
