"""Lines and planes in a real Chromium, of a study that facet made: regions, colours, logits under the pointer, pieces and changes
of the class are h5py's numbers and facet's in Python; and what is not there is said."""

import csv
import shutil
import sys

import h5py
import numpy as np
import pytest

import made_study
from browsing import ROOT, lacking, see, settled, viewer  # noqa: F401

sys.path[:0] = [str(ROOT / "tests/study"), str(ROOT / "analysis")]
import conftest as whole_runs  # noqa: E402
import facet  # noqa: E402
from facet.extract import Cut, Extract  # noqa: E402

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")
CUT, PRUNED, UNCUT = ["dense", "magnitude-global-0.5"], "magnitude-global-0.5", "magnitude-global-0.9"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slices")
    whole_runs.make_digits(folder, train=600, test=40)
    labels = np.fromfile(folder / "test-labels", np.uint8)[8:]
    through = [int(np.flatnonzero(labels == k)[0]) for k in (0, 1, 2)] + [int(np.flatnonzero(labels == k)[1]) for k in (3, 1, 0)]
    text = whole_runs.STUDY.split("variants:")[0].replace("conv: [4, 8], dense: [16]", "conv: [1], dense: [6]").replace("epochs: 2", "epochs: 6")
    text = text.replace("  normalize", "  classes: [<b>zero</b>, one, two, three]\n  normalize")
    text += "variants: [{method: magnitude, sparsity: [0.5, 0.9]}]\nconditions: [clean]\n"
    text += f"lines: {{between: {through}, variants: [{', '.join(CUT)}]}}\nplanes: {{through: {through}, variants: [{', '.join(CUT)}], window: 1}}\n"
    (folder / "study.yaml").write_text(text)
    done = whole_runs.run("run", folder / "study.yaml")
    assert done.returncode == 0, done.stderr
    with facet.open(folder / "out/study.h5") as opened:
        yield opened


@pytest.fixture
def page(viewer, study):  # noqa: F811
    with viewer.shown(study.path, f"second={PRUNED}") as shown:
        yield shown


def choose(page, view, value):
    page.select_option(f"#{view} .choices select", value)
    settled(page)


def frame(page, side):
    """From u, v to pixels of a picture, as the marks of its inputs say: (scale, shift) of both axes."""
    marks = page.eval_on_selector_all(f"#planes .plot >> nth={side} >> g.input", """(all) => all.map((element) => {
        const [, x, y] = element.getAttribute("transform").match(/translate\\(([-\\d.e]+),([-\\d.e]+)\\)/);
        return [element.dataset.u, element.dataset.v, x, y].map(Number);
    })""")
    u, v, x, y = np.array(marks).T
    return np.polyfit(u, x, 1), np.polyfit(v, y, 1)


def told(page):
    """{name: value} of the tooltip."""
    lines = page.eval_on_selector_all(".tip .tip-line", "(all) => all.map((line) => [...line.children].map((part) => part.textContent))")
    return {name: value.replace("\u2212", "-") for name, value in lines}


def numbers(text):
    return [float(value) for value in text.split(" → ")]


def near(values):
    """As they are shown: three digits or so."""
    return pytest.approx(list(values), rel=6e-3, abs=6e-4)


def saved(page, view):
    with page.expect_download() as download:
        page.click(f"#{view} button:text-is('CSV')")
    with open(download.value.path(), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("number", [0, 1])
def test_every_pixel_has_the_colour_of_its_class(page, study, number):
    see(page, "planes", "text.plot-title")
    choose(page, "planes", str(number))
    colours = {}
    for side, variant in enumerate(CUT):
        plane, plot = study.plane(variant, number), f"#planes .plot >> nth={side}"
        assert page.get_attribute(plot, "data-regions") == str(study.file[f"planes/{variant}/regions"][number])
        assert page.get_attribute(plot, "data-polygons") == str(len(plane)) and f"{plane.regions:,} regions" in page.text_content(f"{plot} >> .plot-title")
        marks = page.eval_on_selector_all(f"{plot} >> g.input", "(all) => all.map(({ dataset: { sample, u, v } }) => [sample, u, v].map(Number))")
        np.testing.assert_allclose(marks, np.column_stack([study.file["planes/through"][number], study.file["planes/at"][number]]), atol=1e-12)
        (kx, dx), (ky, dy) = frame(page, side)
        assert kx == pytest.approx(-ky, rel=1e-9)  # angles are right
        at, polygon, _ = plane.grid(60)
        pixel = np.floor(np.stack([kx * at[..., 0] + dx, ky * at[..., 1] + dy], axis=-1)).astype(int)
        shown = np.array(page.eval_on_selector(f"{plot} >> canvas >> nth=0", """(canvas, places) => {
            const pen = canvas.getContext("2d");
            return places.map(([x, y]) => [...pen.getImageData(x, y, 1, 1).data]);
        }""", pixel.reshape(-1, 2).tolist())).reshape(60, 60, 4)
        for y in range(1, 59):
            for x in range(1, 59):
                around = plane.cls[polygon[y - 1:y + 2, x - 1:x + 2]]
                if polygon[y - 1:y + 2, x - 1:x + 2].min() >= 0 and np.all(around == around[0, 0]):  # not beside a boundary
                    assert colours.setdefault(int(around[0, 0]), tuple(shown[y, x])) == tuple(shown[y, x]), (variant, x, y)
    planes = [study.plane(variant, number) for variant in CUT]
    shares = np.array([[plane.areas[plane.cls == k].sum() for k in range(4)] for plane in planes]) / planes[0].areas.sum()
    wanted = [f"{study.classes[k]}: " + " → ".join(f"{100 * share:.1f} %" for share in shares[:, k]) for k in range(4) if shares[:, k].any()]
    assert page.eval_on_selector_all("#planes .legend-item", "(all) => all.map(({ textContent }) => textContent)") == wanted
    assert len(set(colours.values())) == len(colours) > 1 and all(colour[3] == 255 for colour in colours.values())
    assert page.eval_on_selector("#planes", "(view) => view.querySelector('b')") is None  # a class's name is text


def test_under_the_pointer_is_what_the_network_says(page, study):
    see(page, "planes", "text.plot-title")
    planes = [study.plane(variant) for variant in CUT]
    for place in ([0.2, 0.3], [0.5, 0.6], [0.8, 0.35]):
        u, v = planes[0].window[0] + place * (planes[0].window[2] - planes[0].window[0])
        (kx, dx), (ky, dy) = frame(page, 0)
        position = {"x": round(kx * u + dx), "y": round(ky * v + dy)}
        page.hover("#planes .plot >> nth=0", position=position)
        settled(page)
        crosses = page.eval_on_selector_all("#planes path.cross", "(all) => all.map(({ dataset: { u, v } }) => [Number(u), Number(v)])")
        assert len(crosses) == 2 and crosses[0] == crosses[1]
        u, v = crosses[0]
        assert abs(kx * u + dx - position["x"]) < 1.5 and abs(ky * v + dy - position["y"]) < 1.5
        found = [next(i for i in range(len(plane)) if inside(plane.points[plane.corners(i)], u, v)) for plane in planes]
        logits = np.array([plane.affine(i) @ [u, v, 1] for plane, i in zip(planes, found)])
        tip = told(page)
        for variant, plane, i in zip(CUT, planes, found):
            assert tip[variant] == f"{study.classes[plane.cls[i]]}, region {plane.region[i]:,}"
        for k, name in enumerate(study.classes):
            assert numbers(tip[name]) == near(logits[:, k]), name


def inside(at, u, v):
    side = np.roll(at, -1, axis=0) - at
    return np.all(side[:, 0] * (v - at[:, 1]) - side[:, 1] * (u - at[:, 0]) >= 0)


def test_nearer_farther_and_without_borders(page):
    see(page, "planes", "text.plot-title")
    inked = lambda: page.eval_on_selector("#planes .plot >> nth=0 >> canvas >> nth=1", """(canvas) =>
        canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.reduce((sum, value, i) => sum + (i % 4 === 3 && value > 0), 0)""")
    before, ink = frame(page, 0)[0][0], inked()
    page.uncheck("#planes .choices input >> nth=0")
    page.wait_for_function("location.hash.includes('planes.borders=no')")
    settled(page)
    both = inked()
    page.uncheck("#planes .choices input >> nth=1")
    page.wait_for_function("location.hash.includes('planes.other=no')")
    settled(page)
    assert 0 < inked() < both < 0.5 * ink
    page.focus("#planes .plot >> nth=1")
    page.keyboard.press("+")
    settled(page)
    axis = lambda side: page.eval_on_selector_all(f"#planes .plot >> nth={side} >> .axes .tick text", "(all) => all.map(({ textContent }) => textContent)")
    assert axis(0) == axis(1)
    near_by = page.eval_on_selector("#planes .plot >> nth=0 >> .axes", "(axes) => axes.outerHTML")
    page.keyboard.press("0")
    settled(page)
    assert frame(page, 0)[0][0] == pytest.approx(before) and page.eval_on_selector("#planes .plot >> nth=0 >> .axes", "(axes) => axes.outerHTML") != near_by
    page.keyboard.press("ArrowRight")
    settled(page)
    assert "u " in page.text_content(".tip strong")


def test_the_part_that_is_shown_is_in_the_address(page):
    see(page, "planes", "text.plot-title")
    axes = lambda: page.eval_on_selector_all("#planes .plot .axes .tick text", "(all) => all.map(({ textContent }) => textContent)")
    whole = axes()
    page.focus("#planes .plot >> nth=0")
    for key in ("+", "+", "ArrowRight", "+"):
        page.keyboard.press(key)
    page.wait_for_function("/planes.look=[^&]*,3.375/.test(location.hash)")  # which follows a little later: three times nearer by 1.5
    settled(page)
    part, address = axes(), page.evaluate("location.hash")
    page.reload()
    page.wait_for_function("window.facetViewer")
    see(page, "planes", "text.plot-title")
    assert axes() == part != whole and page.evaluate("location.hash") == address
    choose(page, "planes", "1")  # of another plane all is shown
    page.wait_for_function("!location.hash.includes('planes.look=')")
    choose(page, "planes", "0")
    assert axes() == whole
    page.evaluate("(hash) => { location.hash = hash; }", address)
    page.wait_for_function("location.hash.includes('planes.look=')")
    settled(page)
    assert axes() == part
    page.evaluate("location.hash = 'planes.look=1,2'")  # which is none
    settled(page)
    assert axes() == whole


def test_a_sample_of_a_plane_and_of_a_line_is_shown_by_a_click(page, study):
    through = study.file["planes/through"][0]
    see(page, "planes", "text.plot-title")
    page.locator(f"#planes .plot >> nth=0 >> g.input[data-sample='{through[1]}']").dispatch_event("click")
    settled(page)
    assert page.evaluate("facetViewer.store.state.sample") == through[1]
    see(page, "lines", "text.plot-title")
    page.locator("#lines .plot >> nth=1 >> text.end >> nth=0").dispatch_event("click")
    settled(page)
    assert page.evaluate("facetViewer.store.state.sample") == study.file["lines/between"][0, 0]


def test_polygons_as_csv(page, study):
    see(page, "planes", "text.plot-title")
    choose(page, "planes", "1")
    rows = saved(page, "planes")
    for variant in CUT:
        plane, own = study.plane(variant, 1), [row for row in rows if row["variant"] == variant]
        assert [study.classes.index(row["class"]) for row in own] == plane.cls.tolist() and [int(row["region"]) for row in own] == plane.region.tolist()
        np.testing.assert_allclose([float(row["area"]) for row in own], plane.areas, rtol=1e-9, atol=1e-15)
        assert [[float(x) for x in corner.split()] for corner in own[-1]["corners (u v)"].split(";")] == plane.polygons[-1].tolist()


def test_a_line_has_all_pieces_and_changes(page, study):
    see(page, "lines", "text.plot-title")
    choose(page, "lines", "1")
    for side, variant in enumerate(CUT):
        line, plot = study.line(variant, 1), f"#lines .plot >> nth={side}"
        assert page.get_attribute(plot, "data-pieces") == str(len(line)) and page.get_attribute(plot, "data-crossings") == str(len(line.crossing))
        data = lambda selector, *names: page.eval_on_selector_all(f"{plot} >> {selector}", "(all, names) => all.map(({ dataset }) => names.map((name) => Number(dataset[name])))", list(names))
        assert [t for t, in data("line.crossing", "t")] == line.crossing.tolist()
        spans = np.array(data("rect.span", "class", "from", "to"))
        assert spans[0, 1] == 0 and spans[-1, 2] == 1 and spans[1:, 1].tolist() == line.crossing.tolist() == spans[:-1, 2].tolist()
        assert spans[:, 0].tolist() == [line.cls[np.searchsorted(line.t, (a + b) / 2) - 1] for _, a, b in spans]
    rows = saved(page, "lines")
    for variant in CUT:
        line, own = study.line(variant, 1), [row for row in rows if row["variant"] == variant]
        assert [float(row["t"]) for row in own] == line.t.tolist() and [study.classes.index(row["class"]) for row in own[:-1]] == line.cls.tolist()
        assert [[float(row[f"logit {name}"]) for name in study.classes] for row in own] == line.logits.tolist()


def test_the_way_is_read_by_keyboard_and_pointer(page, study):
    see(page, "lines", "text.plot-title")
    lines = [study.line(variant) for variant in CUT]
    page.focus("#lines .plot >> nth=0")
    stops = [(["ArrowRight"] * 3, lines[0].t[2]), (["Shift+ArrowRight"], lines[0].crossing[0]), (["End"], 1.0), (["ArrowLeft"], lines[0].t[-2]), (["Home"], 0.0)]
    for keys, t in stops:
        for key in keys:
            page.keyboard.press(key)
        assert page.text_content(".tip strong") == f"t = {t:.5f}"
        tip = told(page)
        for k, name in enumerate(study.classes):
            assert numbers(tip[name]) == near([line.at([t])[0, k] for line in lines])
    box = page.locator("#lines .plot >> nth=1").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 100)
    at = [float(t) for t in page.eval_on_selector_all("#lines line.rule", "(all) => all.map(({ dataset }) => dataset.t)")]
    t = at[0]
    assert at == [t, t] and 0.2 < t < 0.4
    tip = told(page)
    for variant, line in zip(CUT, lines):
        behind = min(np.searchsorted(line.t, t, side="right") - 1, len(line.t) - 2)
        assert tip[variant] == f"{study.classes[line.cls[behind]]}, piece {line.piece[behind]:,}"


def test_choices_come_back(page):
    for view in ("lines", "planes"):
        see(page, view, "text.plot-title")
        choose(page, view, "1")
    page.uncheck("#planes .choices input >> nth=0")
    page.wait_for_function("location.hash.includes('planes.borders=no')")
    page.reload()
    page.wait_for_function("window.facetViewer")
    for view in ("lines", "planes"):
        see(page, view, "text.plot-title")
        assert page.input_value(f"#{view} .choices select") == "1" and "1: samples" in page.text_content(f"#{view} .choices select")
    assert not page.is_checked("#planes .choices input >> nth=0")


def test_one_network_alone_and_one_that_is_not_cut(page, study):
    page.evaluate("(first) => facetViewer.store.set({ first, second: first })", study.variants.index(PRUNED))
    for view in ("lines", "planes"):
        see(page, view, "text.plot-title")
        assert [plot.get_attribute("data-variant") for plot in page.query_selector_all(f"#{view} .plot:not([hidden])")] == [PRUNED]
    page.evaluate("(second) => facetViewer.store.set({ second })", study.variants.index(UNCUT))
    settled(page)
    for view in ("lines", "planes"):
        see(page, view, "text.plot-title")
        assert page.text_content(f"#{view} .unavailable:not([hidden])") == f"{UNCUT}: The study's {view} are of {', '.join(CUT)}."
        assert len(page.query_selector_all(f"#{view} .plot:not([hidden])")) == 1


def test_what_is_not_there_is_said(viewer, study, tmp_path):  # noqa: F811
    shutil.copy(study.path, tmp_path / "full.h5")
    with h5py.File(tmp_path / "full.h5", "r+") as file:
        file["planes/dense/polygons"][0] = file["lines/dense/points"][0] = 0
        file["progress/planes"][1, 0] = file["progress/lines"][1, 0] = 0
    made_study.make(tmp_path / "without.h5")
    page = viewer.open(tmp_path / "full.h5", f"second={PRUNED}")
    for view, one, room in (("lines", "line", "points"), ("planes", "plane", "polygons")):
        see(page, view, ".unavailable:not([hidden])")
        assert [said.text_content() for said in page.query_selector_all(f"#{view} .unavailable:not([hidden])")] == [
            f"dense: This {one} has more {room} in it than the file has room for ({view}: {room}).", f"{PRUNED}: The run has not cut this {one} in it yet."]
    page.close()
    page = viewer.open(tmp_path / "without.h5")
    for view in ("lines", "planes"):
        see(page, view, ".unavailable")
        assert page.text_content(f"#{view} .unavailable") == f"This study cuts no {view}: the key {view} of a study file asks for them ({view}: {{}})."
    page.close()
    assert not viewer.wrong


def test_a_page_has_them_or_says_that_it_has_not(viewer, study, tmp_path):  # noqa: F811
    for cut in (Cut(slices=True), Cut()):
        (tmp_path / "page.h5").write_bytes(Extract(study, cut).bytes())
        page = viewer.open(tmp_path / "page.h5", f"second={PRUNED}&planes.plane=1")
        for view, one in (("lines", "data-pieces"), ("planes", "data-regions")):
            see(page, view, "text.plot-title" if cut.slices else ".unavailable")
            if cut.slices:
                assert page.get_attribute(f"#{view} .plot >> nth=1", one) == str(study.file[f"{view}/{PRUNED}/{one[5:]}"][1 if view == "planes" else 0])
            else:
                assert page.text_content(f"#{view} .unavailable") == f"This file was cut down, and does not hold the {view} of its study."
        page.close()
        assert not viewer.wrong
