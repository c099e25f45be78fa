"""How far linearizations hold, in a real Chromium: the picture's places, shares and the table are h5py's numbers, a rectangle selects
what lies in it, and lower bounds are said to be such."""

import h5py
import numpy as np
import pytest

import made_study
from browsing import h5, lacking, see, settled, viewer  # noqa: F401

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")

SAMPLES, TAKEN = 300, 60
NORMS = ("max", "two")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Of dense and the first pruned network; every tenth sample has ties, and one of them no decision boundary. The last one is not done."""
    path = tmp_path_factory.mktemp("reach") / "made.h5"
    made_study.make(path, index=False, samples=SAMPLES)
    random = np.random.default_rng(4)
    with h5py.File(path, "a") as h5:
        names = h5["variant"].asstr()[:]
        marks = np.ones((len(names), TAKEN), "u1")
        marks[1, -1] = 0
        arrays = {"reach/reached_sample": np.arange(TAKEN), "progress/reach": marks}
        for name in names[:2]:
            point = random.normal(0, 1, (TAKEN, 2, *h5["image"].shape[1:])).astype("f4")
            untied, boundary = (10 ** random.uniform(-4, 0, (TAKEN, 2)) for _ in range(2))
            tied = np.zeros((TAKEN, 2), "i4")
            tied[::10, 1] = 3
            boundary[20], other = np.inf, random.integers(0, 4, (TAKEN, 2)).astype("i4")
            other[20] = -1
            own = np.where(tied.sum(axis=1, keepdims=True) > 0, 0, untied)
            found = {"max_norm": own[:, 0], "two_norm": own[:, 1], "untied": untied, "boundary": boundary, "other": other, "point": point, "tied": tied,
                     "inside": random.integers(0, 2, (TAKEN, 2)).astype("u1"), "limit": random.integers(-1, 2, (TAKEN, 2)).astype("i4")}
            arrays |= {f"reach/{name}/{what}": values for what, values in found.items()}
            made_study.texts(h5, f"reach/{name}/gate", ["relu1", "pool1"])
        h5["reach"].attrs["unit"] = "pixel"
        h5.attrs.update(normalize_scale=255.0, normalize_mean=[0.4], normalize_std=[0.25])
        made_study.put(h5, arrays)
    return path


@pytest.fixture
def page(viewer, path, h5):  # noqa: F811
    with viewer.shown(path, f"second={h5['variant'].asstr()[1]}") as shown:
        see(shown, "reach", "path.share")
        yield shown


def shares(page):
    found = page.eval_on_selector_all("#reach path.share", "(all) => all.map(({ dataset }) => [dataset.variant, dataset.what, dataset.median, dataset.samples])")
    return {(variant, what): (float(median), int(samples)) for variant, what, median, samples in found}


def wanted(h5, norm, taken):
    names, found = h5["variant"].asstr()[:2], {}
    for v, name in enumerate(names):
        done = taken & (h5["progress/reach"][v] == 1)
        for what in ("untied", "boundary"):
            found[name, what] = (pytest.approx(np.median(h5[f"reach/{name}/{what}"][done, norm])), done.sum())
    return found


def test_shares_follow_the_selection_and_the_norm(page, h5):
    everything = np.ones(TAKEN, bool)
    assert shares(page) == wanted(h5, 0, everything)
    page.select_option("#reach .choices select >> nth=1", "two")
    settled(page)
    assert shares(page) == wanted(h5, 1, everything)
    page.evaluate("facetViewer.store.set({ selected: Uint8Array.from({ length: 300 }, (_, i) => Number(i % 3 === 0)) })")
    settled(page)
    assert shares(page) == wanted(h5, 1, np.arange(TAKEN) % 3 == 0)
    assert "20 of the 60 samples" in page.text_content("#reach .note")


def test_a_rectangle_selects_what_lies_in_it(page, h5):
    """Where samples stand follows from the ticks of the axes."""
    for what, norm in (("untied", "max"), ("radius", "two")):
        page.select_option("#reach .choices select >> nth=0", what)
        page.select_option("#reach .choices select >> nth=1", norm)
        settled(page)
        n, names = NORMS.index(norm), h5["variant"].asstr()[:2]
        first, second = (h5[f"reach/{name}/untied"][:, n] if what == "untied" else h5[f"reach/{name}/{norm}_norm"][:] for name in names)
        x, y = axis(page, 0), axis(page, 1)
        box = page.locator("#reach .plot >> nth=0").bounding_box()
        low, high = np.polyval(x, np.log10([0.002, 0.3]))
        # from below the axis, where 0 stands, up to the middle
        top, bottom = np.polyval(y, np.log10(0.05)), box["height"] - 30
        page.mouse.move(box["x"] + low, box["y"] + bottom)
        page.mouse.down()
        page.mouse.move(box["x"] + (low + high) / 2, box["y"] + (top + bottom) / 2)
        page.mouse.move(box["x"] + high, box["y"] + top)
        page.mouse.up()
        settled(page)
        got = np.flatnonzero(page.evaluate("Array.from(facetViewer.store.state.selected ?? [])"))
        px, py = (np.polyval(line, np.log10(np.maximum(numbers, 1e-99))) for line, numbers in ((x, first), (y, second)))
        inside = (px >= low) & (px <= high) & (py >= top)
        inside[-1] = False  # not done
        unsure = np.minimum(np.minimum(abs(px - low), abs(px - high)), abs(py - top)) < 1
        chosen = np.isin(np.arange(TAKEN), got)
        assert inside.sum() > 8 and ((chosen == inside) | unsure).all() and (got < TAKEN).all()


def axis(page, which):
    """The line from log10 of a number to a pixel, of the first picture's axis."""
    ticks = page.eval_on_selector(f"#reach .plot >> nth=0 >> g.axis >> nth={which}", """(axis, which) => [...axis.querySelectorAll(".tick")].map((tick) =>
        [tick.textContent, Number(tick.getAttribute("transform").match(/([-\\d.e]+),([-\\d.e]+)/)[1 + which])])""", which)
    return np.polyfit([np.log10(float(text.replace("\u2212", "-"))) for text, _ in ticks], [at for _, at in ticks], 1)


def test_figures_of_a_sample_and_what_is_a_bound(page, h5):
    for sample in (20, 33):
        page.evaluate("(sample) => facetViewer.store.set({ sample })", sample)
        settled(page)
        rows = page.query_selector_all("#reach .reach-figures tbody tr")
        for row, (name, n) in zip(rows, [(name, n) for name in h5["variant"].asstr()[:2] for n in (0, 1)], strict=True):
            group = {what: values[sample] for what, values in h5[f"reach/{name}"].items() if what != "gate"}
            own = group[f"{NORMS[n]}_norm"]
            assert (row.get_attribute("data-variant"), row.get_attribute("data-norm")) == (name, NORMS[n])
            assert float(row.get_attribute("data-radius")) == own and float(row.get_attribute("data-untied")) == group["untied"][n]
            assert float(row.get_attribute("data-boundary").replace("Infinity", "inf")) == group["boundary"][n]
            cells = [cell.text_content() for cell in row.query_selector_all("td")]
            assert ("3 ties" in cells[1]) == (sample == 20) and cells[3] == (["relu1", "pool1"][group["limit"][n]] if group["limit"][n] >= 0 else "–")
            assert cells[4].startswith("≥") == (not group["inside"][n] and np.isfinite(group["boundary"][n]))
            assert cells[5] == (h5["class"].asstr()[group["other"][n]] if group["other"][n] >= 0 else "–")
            assert cells[6].startswith("≥") != (bool(group["inside"][n]) and group["boundary"][n] <= own)


def test_the_nearest_point_is_drawn_beside_the_sample(page, h5):
    page.evaluate("facetViewer.store.set({ sample: 33 })")
    names, image = h5["variant"].asstr()[:2], h5["image"][33].astype(float)
    for n, norm in enumerate(NORMS):
        page.select_option("#reach .choices select >> nth=1", norm)
        page.wait_for_function("(text) => document.querySelector('#reach .reach-nearest h3')?.textContent.includes(text)", arg=["max norm", "2-norm"][n])
        settled(page)
        assert len(page.query_selector_all("#reach .reach-nearest .pixel-map")) == 5
        for name in names:
            group = h5[f"reach/{name}"]
            largest = page.get_attribute(f"#reach [data-difference='{name}'] [data-largest]", "data-largest")
            assert float(largest) == pytest.approx(np.abs(group["point"][33, n] - (image / 255 - 0.4) / 0.25).max(), rel=1e-6)
            there = f"#reach .reach-nearest [data-variant='{name}']"
            said = page.text_content(there)
            assert h5["class"].asstr()[group["other"][33, n]] in said and ("≥" in said) == (group["inside"][33, n] == 0)
            page.press(f"{there} [tabindex]", "ArrowRight")
            pixel = (group["point"][33, n].ravel()[0] * 0.25 + 0.4) * 255
            assert float(page.text_content(".tip .tip-line >> nth=-1 >> b").replace("\u2212", "-")) == pytest.approx(pixel, rel=0.01)
    page.evaluate("facetViewer.store.set({ sample: 20 })")  # no decision boundary
    page.wait_for_function("!document.querySelector('#reach .reach-nearest')")


def test_a_sample_that_was_not_measured_and_choices_in_the_address(page):
    page.evaluate("facetViewer.store.set({ sample: 200 })")
    settled(page)
    assert "Sample 200 is not among the 60 that are measured: 0–59." in page.text_content("#reach .among")
    page.click("#reach .among button")
    page.wait_for_selector("#reach .reach-figures")
    assert page.evaluate("facetViewer.store.state.sample") == 59
    page.select_option("#reach .choices select >> nth=0", "certain")
    page.wait_for_function("location.hash.includes('reach.what=certain')")
    page.reload()
    page.wait_for_function("window.facetViewer")
    see(page, "reach", "path.share")
    assert page.input_value("#reach .choices select >> nth=0") == "certain"


def test_one_network_alone_and_none(viewer, path, h5, tmp_path):  # noqa: F811
    page = viewer.open(path, f"second={h5['variant'].asstr()[2]}")
    see(page, "reach", "path.share")
    assert {variant for variant, _ in shares(page)} == {"dense"} and page.is_hidden("#reach .plot >> nth=0")
    assert f"did not measure {h5['variant'].asstr()[2]}" in page.text_content("#reach .note")
    page.close()
    made_study.make(tmp_path / "none.h5")
    page = viewer.open(tmp_path / "none.h5")
    see(page, "reach", ".unavailable")
    assert "the key reach of a study asks for it" in page.text_content("#reach .unavailable")
    page.close()
    assert not viewer.wrong
