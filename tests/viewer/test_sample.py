"""The page of one sample in a real Chromium, of a study that facet made: predictions, contributions, changes of margin, places
in the map, pictures and touched pixels are h5py's numbers and facet's in Python."""

import shutil
import sys

import h5py
import numpy as np
import pytest

import made_study
from browsing import ROOT, lacking, see, viewer  # noqa: F401

sys.path[:0] = [str(ROOT / "tests/study"), str(ROOT / "analysis")]
import conftest as whole_runs  # noqa: E402
import facet  # noqa: E402

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")
PRUNED = "magnitude-global-0.5"
MORE = """\
change: {samples: 20, conditions: all}
paths: {samples: 8, from: mean, rows: all, conditions: gaussian_noise/5}
embed: {epochs: 2, batch: 60, perplexity: 10}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    whole_runs.make_digits(folder)
    images = np.fromfile(folder / "test-images", np.uint8)[16:].reshape(-1, 12, 12)
    images[:, 5:][images[:, 5:] < 60] = 0  # constant background, where pools tie
    whole_runs.write_idx(folder / "test-images", images)
    text = whole_runs.STUDY.replace("rows: all", "rows: {top: 3}").replace("  normalize", "  classes: [<b>zero</b>, one, two, three]\n  normalize")
    (folder / "study.yaml").write_text(text + MORE)
    done = whole_runs.run("run", folder / "study.yaml")
    assert done.returncode == 0, done.stderr
    with facet.open(folder / "out/study.h5") as opened:
        yield opened


@pytest.fixture
def page(viewer, study):  # noqa: F811
    shown = viewer.page()
    shown.goto(viewer.server.url(study.path, f"view=sample&sample=7&second={PRUNED}"))
    shown.wait_for_selector(".sample-network")
    yield shown
    shown.close()
    assert not viewer.wrong


def ledger(page, where):
    """{name: number} of the first ledger there."""
    rows = page.query_selector_all(f"{where} .ledger >> nth=0 >> tr")
    return {row.query_selector(".name").text_content(): float(row.query_selector("[data-value]").get_attribute("data-value")) for row in rows}


def choose(page, name, value):
    """Of a choice of the page, and waits until it is drawn anew."""
    old = page.query_selector(".sample-network")
    page.select_option(f"#sample .choices label:has-text('{name}') select", value)
    page.wait_for_function("(old) => !old.isConnected && document.querySelector('.sample-network')", arg=old)


def network(variant):
    return f".sample-network[data-variant='{variant}']"


def test_predictions_of_every_variant_under_every_condition(page, study):
    rows = page.query_selector_all(".sample-said tbody tr")
    assert [row.query_selector("th").text_content() for row in rows] == study.variants
    said = [[int(cell.get_attribute("data-class")) for cell in row.query_selector_all("td")] for row in rows]
    with h5py.File(study.path) as h5:
        assert np.array_equal(said, h5["prediction/class"][:, :, 7])
    assert page.query_selector("#sample b") is None  # a class's name is text


@pytest.mark.parametrize("variant", ["dense", PRUNED])
def test_contributions_and_contrasts(page, study, variant):
    stored = [study.classes[c] for c in study.linear(variant).row[7]]
    both = [c for c in stored if study.classes.index(c) in study.linear("dense").row[7] and study.classes.index(c) in study.linear(PRUNED).row[7]]
    choose(page, "output", str(study.classes.index(both[1])))
    part, found = study.contributions(variant, 7, both[1]), ledger(page, network(variant))
    assert found["all pixels"] == pytest.approx(part.pixels.sum(), rel=1e-9)
    assert found["bias"] == pytest.approx(part.b, rel=1e-5) and found["sum"] == pytest.approx(part.output, abs=1e-5)
    for name, value in zip(part.node, part.b_node):
        assert found.get(name, value) == pytest.approx(value, rel=1e-9)
    choose(page, "against", str(study.classes.index(both[0])))
    other, found = study.contrast(variant, 7, both[1], both[0]), ledger(page, network(variant))
    assert found["all pixels"] == pytest.approx(other.pixels.sum(), rel=1e-9) and found["sum"] == pytest.approx(other.sum, abs=1e-5)
    choose(page, "baseline", "black")
    black, found = (0 - 0.2) / 0.3, ledger(page, network(variant))
    w = study.contributions(variant, 7, both[1]).w - study.contributions(variant, 7, both[0]).w
    assert found["all pixels"] == pytest.approx((w * (study.input(7) - black)).sum(), rel=1e-9)
    assert found["W × baseline"] == pytest.approx((w * black).sum(), rel=1e-9) and found["sum"] == pytest.approx(other.sum, abs=1e-5)


def test_choices_come_back(page, study):
    """By the address: the output, what it is held against, the baseline. Outputs go with the sample."""
    row = study.linear(PRUNED).row[7]
    first, second = (study.classes[c] for c in row[:2])
    choose(page, "output", str(row[0]))
    choose(page, "against", str(row[1]))
    choose(page, "baseline", "mean")
    page.wait_for_function("location.hash.includes('sample.baseline=mean')")
    page.reload()
    page.wait_for_selector(".sample-network h3")
    shown = lambda name: page.eval_on_selector(f"#sample .choices label:has-text('{name}') select", "(s) => s.selectedOptions[0].textContent")
    assert (shown("output"), shown("against"), page.input_value("#sample .choices label:has-text('baseline') select")) == (first, second, "mean")
    page.fill("#sample input[type=number]", "8")
    page.press("#sample input[type=number]", "Enter")
    page.wait_for_selector(".sample-picture figcaption:has-text('sample 8,')")
    page.wait_for_function("location.hash.includes('sample=8')")
    assert "sample.output" not in page.evaluate("location.hash") and shown("against") == "nothing"
    assert page.input_value("#sample .choices label:has-text('baseline') select") == "mean"


def test_what_changes_together_is_read_once(page, study):
    """An output and what it is held against; a sample, with which they go."""
    page.evaluate("""() => {
        const { study } = facetViewer, { read } = study;
        window.reads = 0;
        study.read = function (path, start, count) {
            if (path === "/prediction/class" && count[2] === 1) window.reads++;
            return read.call(this, path, start, count);
        };
    }""")
    settled = "facetViewer.study.pending() === 0 && new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
    choose(page, "against", str(study.linear(PRUNED).row[7][1]))
    page.wait_for_function(settled)
    assert page.evaluate("Object.keys(facetViewer.store.state.choices).sort().join()") == "sample.against,sample.output" and page.evaluate("reads") == 1
    page.click("#sample button[title='the next sample']")
    page.wait_for_selector(".sample-picture figcaption:has-text('sample 8,')")
    page.wait_for_function(settled)
    assert page.evaluate("Object.keys(facetViewer.store.state.choices).join()") == "" and page.evaluate("reads") == 2


def test_where_w_is_no_jacobian(viewer, study, tmp_path):  # noqa: F811
    """The attribute of a network that is frozen at each sample is told beside its certificate, and beside b by node."""
    said, path = "secant: W is not the Jacobian", str(tmp_path / "study.h5")
    shutil.copy(study.path, path)
    with h5py.File(path, "a") as f:
        for group in ("variants", "linear", "embed"):
            f[f"{group}/dense"].attrs["gates"] = said
    page = viewer.page()
    page.goto(viewer.server.url(path, f"view=sample&sample=7&second={PRUNED}"))
    page.wait_for_selector(network(PRUNED))
    assert said in page.text_content(f"{network('dense')} .note") and said not in page.text_content(f"{network(PRUNED)} .note")
    places = page.query_selector_all(".sample-place")
    assert [said in place.query_selector(".note").text_content() for place in places] == [True, False]
    page.close()
    page = viewer.open(path, f"second={PRUNED}")
    see(page, "layers", "g.node")
    note = page.text_content("#layers .layer-part >> nth=1 >> .note")
    assert f"dense: {said}" in note and f"{PRUNED}: {said}" not in note
    page.close()


def test_what_ties_touch_and_the_certificate(page, study):
    linear = study.linear("dense")
    note = page.text_content(f"{network('dense')} .note")
    touched, at = linear.touched(7)[0], int(linear.position(7))
    assert f"certificate {linear.residual[at]:.2e}".replace("e-0", "e-") in note
    assert touched.any() and f"{100 * touched.mean():.1f} % of the pixels" in note
    box = page.locator(f"{network('dense')} .pixel-map .plot >> nth=0")
    box.scroll_into_view_if_needed()
    size = box.bounding_box()
    part = study.contributions("dense", 7)
    for y, x in [np.argwhere(touched)[0], np.argwhere(~touched)[0]]:
        box.hover(position={"x": (x + 0.5) * size["width"] / 12, "y": (y + 0.5) * size["height"] / 12}, force=True)
        text = page.text_content(".tip")
        assert f"pixel y {y}, x {x}" in text and ("touched by a tie" in text) == bool(touched[y, x])
        assert f"{abs(part.w[0, y, x]):.3f}" in text or abs(part.w[0, y, x]) < 1e-3


def test_change_of_the_margin_and_place_in_the_map(page, study):
    sample = int(study.numbers("change")[study.numbers("change") < 70][0])
    page.fill("#sample input[type=number]", str(sample))
    page.press("#sample input[type=number]", "Enter")
    page.wait_for_function(f"location.hash.includes('sample={sample}&') || location.hash.endsWith('sample={sample}')")
    page.wait_for_selector(".sample-change")
    page.wait_for_selector(".sample-place")
    change, found = study.margin_change(PRUNED, sample), ledger(page, ".sample-change")
    assert found["all pixels"] == pytest.approx(change.pixels.sum(), rel=1e-9) and found["sum"] == pytest.approx(change.total, abs=1e-5)
    assert study.classes[change.rivals[1]] in page.text_content(".sample-change .note")
    note = page.locator(".sample-place >> nth=0").text_content().replace("\u2212", "-")
    with h5py.File(study.path) as h5:
        for axis in range(2):
            assert f"{h5['embed/position'][0, 0, sample, axis]:.3g}"[:4] in note


def colours(page, number):
    """Of a map of the sample's pictures: red, green and blue in the middle of every pixel."""
    return np.array(page.eval_on_selector_all(".sample-picture .pixel-map canvas", """(all, number) => {
        const canvas = all[number], pen = canvas.getContext("2d"), found = [];
        for (let y = 0; y < 12; y++) for (let x = 0; x < 12; x++)
            found.push([...pen.getImageData(Math.floor(((x + 0.5) * canvas.width) / 12), Math.floor(((y + 0.5) * canvas.height) / 12), 1, 1).data].slice(0, 3));
        return found;
    }""", number)).reshape(12, 12, 3)


def choose_condition(page, condition):
    page.click(f".sample-said thead button:text-is('{condition}')")
    page.wait_for_function("(name) => document.querySelector('.sample-said th.chosen').textContent === name", arg=condition)
    page.wait_for_function("window.facetViewer.study.pending() === 0")


def test_the_picture_that_networks_saw(page, study):
    """Beside the sample, and beside what it changed about the margin: pixel by pixel the file's numbers."""
    sample = int(study.numbers("change")[3])
    page.fill("#sample input[type=number]", str(sample))
    page.press("#sample input[type=number]", "Enter")
    page.wait_for_selector(f".sample-picture figcaption:has-text('sample {sample},')")
    assert page.locator(".sample-picture .pixel-map").count() == 1
    choose_condition(page, "gaussian_noise/5")
    page.wait_for_selector(".sample-picture figcaption:text-is('under gaussian_noise/5')")
    page.wait_for_selector(".sample-change figcaption:text-is('under gaussian_noise/5')")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    with h5py.File(study.path) as h5:
        clean, seen = h5["image"][sample, 0], h5["change/picture"][3, list(h5["condition"].asstr()[:]).index("gaussian_noise/5"), 0]
    assert np.abs(seen - clean).max() > 20
    for number, wanted in ((0, clean), (1, seen)):
        shade = np.floor(wanted.astype(float) + 0.5)  # as JavaScript rounds
        assert np.array_equal(colours(page, number), np.repeat(shade[..., None], 3, axis=2))
    box = page.locator(".sample-picture .pixel-map .plot >> nth=2")
    size = box.bounding_box()
    y, x = np.unravel_index(np.abs(seen - clean).argmax(), seen.shape)
    box.hover(position={"x": (x + 0.5) * size["width"] / 12, "y": (y + 0.5) * size["height"] / 12}, force=True)
    assert f"{seen[y, x] - clean[y, x]:.1f}".replace("-", "\u2212") in page.text_content(".tip")


def test_why_there_is_no_such_picture(viewer, study, tmp_path):  # noqa: F811
    """Another sample; one that the run has not got to; a file of an earlier version."""
    known = study.numbers("change")
    other = next(i for i in range(70) if i not in known)
    shutil.copy(study.path, tmp_path / "killed.h5")
    with h5py.File(tmp_path / "killed.h5", "r+") as file:
        file["progress/pictures"][2, 0] = 0
    made_study.make(tmp_path / "older.h5", condition_names=["clean", "gaussian_noise/1", "gaussian_noise/5"])
    for path, sample, words in ((study.path, other, "holds those of 20 samples (change: samples), and this is none of them"),
                                (tmp_path / "killed.h5", known[0], "has not stored the picture under gaussian_noise/5 yet"),
                                (tmp_path / "older.h5", 7, "This file holds no pictures under conditions")):
        page = viewer.page()
        page.goto(viewer.server.url(path, f"view=sample&sample={sample}&condition=gaussian_noise/5"))
        page.wait_for_selector(f".sample-picture .note:has-text('{words}')")
        assert page.locator(".sample-picture .pixel-map").count() == 1
        page.close()
        assert not viewer.wrong


def test_a_large_picture_of_no_scale(viewer, tmp_path):  # noqa: F811
    """As many pixels as one of ImageNet has, white being the largest of them."""
    made_study.make(tmp_path / "large.h5", samples=4, side=400)
    page = viewer.page()
    page.goto(viewer.server.url(tmp_path / "large.h5", "view=sample&sample=2"))
    page.wait_for_selector("#sample .pixel-map")
    page.close()
    assert not viewer.wrong


def test_where_a_network_came_from(page, study):
    """The view of costs says it of each: what it was made from, and how."""
    page.evaluate("document.querySelector('#cost').scrollIntoView()")
    page.wait_for_selector("#cost g.variant")
    for name, wanted in (("dense", "training"), (PRUNED, "dense"), (PRUNED, "prune, train (magnitude")):
        page.hover(f"#cost g.variant[data-name='{name}'] .mark", force=True)
        page.wait_for_selector(f".tip:has-text('{name}')")
        assert wanted in page.text_content(".tip")
    assert study.recipe(PRUNED)["parent"] == "dense" and study.recipe(PRUNED)["operation"] == "prune, train"


def test_keyboard_and_steps(page):
    page.focus(".pixel-map .plot")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert "pixel y 1, x 0" in page.text_content(".tip")
    page.click("#sample button[title='the next sample']")
    page.wait_for_function("document.querySelector('#sample figcaption').textContent.includes('sample 8')")


def test_a_way_of_many_changes_from_one_of_several_baselines(viewer, study, tmp_path):  # noqa: F811
    """All changes are counted, of which the file says where the first are; and whose they are."""
    path = str(tmp_path / "study.h5")
    shutil.copy(study.path, path)
    with h5py.File(path, "r+") as f:
        f["paths/dense/crossing"][7], f["paths/dense/changes"][7] = np.arange(1, 17) / 17, 40
        f["paths"].attrs["from"] = "/data/two.npy"
    page = viewer.page()
    page.goto(viewer.server.url(path, "view=sample&sample=7"))
    page.wait_for_selector('.sample-way[data-variant="dense"]')
    said = page.text_content('.sample-way[data-variant="dense"] .note >> nth=0')
    assert "changes 40 times: at 0.059, " in said and "from the first baseline" in said, said
    page.close()


def test_the_way_to_a_sample(page, study):
    for variant in ("dense", PRUNED):
        where = f'.sample-way[data-variant="{variant}"]'
        way = study.integrated_gradients(variant, 7)
        said = page.text_content(f"{where} .note >> nth=0")
        assert f"{way.pieces:,} pieces" in said.replace("\u2009", ",").replace("\u202f", ","), said
        assert ("does not change" in said) == (len(way.crossing) == 0)
        assert len(page.query_selector_all(f"{where} line.crossing")) == len(way.crossing)
        cls = int(study.file["prediction/class"][0, 0, 7])
        total = float(page.get_attribute(f"{where} [data-total]", "data-total"))
        assert total == pytest.approx(float(way.total[way.cls.index(cls)]), abs=1e-12)
        assert "from mean to the sample" in page.text_content(f"{where} h3")
        logits = study.file[f"paths/{variant}/logits"][7]
        page.focus(f"{where} .way-plot svg[tabindex]")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        assert page.text_content(".tip strong") == f"t = {2 / 64:.3f}"
        told = page.eval_on_selector_all(".tip .tip-line", "(all) => all.map((line) => [...line.children].map((part) => part.textContent))")
        assert len(told) == 4 and all(float(value.replace("\u2212", "-")) == pytest.approx(logits[2, study.classes.index(name)], rel=6e-3, abs=6e-4) for name, value in told)
