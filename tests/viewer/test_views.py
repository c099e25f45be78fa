"""The linked views in a real Chromium: local and global geometry, map, similarity, layers and cost show the numbers of h5py,
and what is chosen in one of them is what all of them count."""

import shutil
import time

import h5py
import numpy as np
import pytest

import made_study
from browsing import PATIENCE, h5, lacking, see, settled, viewer  # noqa: F401

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")

SAMPLES, CLASSES, NODES, TAKEN = 300, 4, ["conv1", "dense2", "dense3"], 40


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A made study with all that the views ask for."""
    path = tmp_path_factory.mktemp("views") / "views.h5"
    made_study.make(path, samples=SAMPLES, classes=CLASSES, index=False)
    random = np.random.default_rng(5)
    with h5py.File(path, "a") as h5:
        label, (variants, conditions, _) = h5["label"][:], h5["geometry/angle"].shape
        names = list(h5["variant"].asstr()[:])
        cosine = random.normal(0, 0.2, (variants, conditions, SAMPLES, CLASSES)).clip(-1, 1)
        np.put_along_axis(cosine, np.broadcast_to(label[:, None], cosine.shape[:2] + (SAMPLES, 1)), np.cos(h5["geometry/angle"][:])[..., None], 3)
        arrays = {"geometry/cosine": cosine, "embed/position": random.normal(0, 3, (variants, conditions, SAMPLES, 2)) + 4 * np.c_[np.cos(label), np.sin(label)]}
        points = random.normal(0, 1, (variants * conditions, 2))
        arrays["similarity/layout"] = points
        arrays["similarity/distance"] = np.linalg.norm(points[:, None] - points[None], axis=2)
        cost = np.linspace(1e6, 1e5, variants).round()
        arrays |= {"cost/flops_sparse": cost.astype("i8"), "cost/parameters": np.full(variants, 5000), "cost/epochs": np.arange(variants) + 1.0,
                   "cost/epochs_before": np.where(np.arange(variants) == 0, 0.0, 3.0)}
        arrays |= {"linear/sample": np.arange(TAKEN), "change/sample": np.arange(TAKEN)}
        for name in names[:2]:
            arrays |= {f"linear/{name}/b_node": random.normal(0, 1, (TAKEN, CLASSES, 3)).astype("f4"),
                       f"linear/{name}/row": np.tile(np.arange(CLASSES, dtype="i4"), (TAKEN, 1))}
            made_study.texts(h5, f"linear/{name}/node", NODES)
        parts = random.normal(0, 1, (TAKEN, 3)).astype("f4")
        arrays |= {f"change/{names[1]}/node": parts, f"change/{names[1]}/total": random.normal(0, 2, TAKEN),
                   f"change/{names[1]}/gates": random.integers(0, 30, (TAKEN, 2)).astype("i4")}
        made_study.texts(h5, f"change/{names[1]}/node_name", NODES)
        made_study.texts(h5, f"change/{names[1]}/gate_name", ["relu1", "relu2"])
        for i, name in enumerate(names[1:]):
            h5[f"variants/{name}"].attrs.update(layer=NODES, layer_achieved=np.array([0.1, 0.5, 0.2]) + 0.1 * i, layer_size=[72, 2000, 320])
        made_study.put(h5, arrays)
    return path


@pytest.fixture
def page(viewer, path, h5):  # noqa: F811
    with viewer.shown(path, f"second={h5['variant'].asstr()[1]}") as shown:
        yield shown


def data(page, selector, *names):
    """The data attributes of all that the selector finds."""
    return page.eval_on_selector_all(selector, "(all, names) => all.map((element) => names.map((name) => element.dataset[name]))", list(names))


def state(page, expression):
    return page.evaluate(f"(({{ selected, passing, second, first, condition, sample }}) => {expression})(facetViewer.store.state)")


def drag(page, selector, start, end):
    """Drags over a picture, from and to a place in its pixels."""
    box = page.locator(selector).bounding_box()
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + (start[0] + end[0]) / 2, box["y"] + (start[1] + end[1]) / 2)
    page.mouse.move(box["x"] + end[0], box["y"] + end[1])
    page.mouse.up()
    settled(page)


def chosen(page):
    return np.array(state(page, "selected ? Array.from(selected) : []"), bool)


def placed(page, selector, *names):
    """Of marks: their data, and where they stand in their picture."""
    return [([float(v) for v in values], place) for values, place in page.eval_on_selector_all(selector, """(all, names) => all.map((element) => {
        const [, x, y] = element.getAttribute("transform").match(/translate\\(([-\\d.e]+),([-\\d.e]+)\\)/);
        return [names.map((name) => element.dataset[name]), [Number(x), Number(y)]];
    })""", list(names))]


def scale(pairs):
    """The straight line through (number, pixel)."""
    return np.polyfit(*zip(*pairs), 1)


def test_local_geometry_shows_the_means_of_the_classes(page, h5):
    see(page, "geometry", "g.mean")
    label = h5["label"][:]
    for side in (0, 1):
        angle, length = h5["geometry/angle"][side, 0], h5["geometry/length"][side, 0]
        found = data(page, f"#geometry .plot >> nth={side} >> g.mean", "class", "angle", "length")
        assert [int(k) for k, _, _ in found] == list(range(CLASSES))
        for k, *means in found:
            assert [float(m) for m in means] == pytest.approx([angle[label == int(k)].mean(), length[label == int(k)].mean()], rel=1e-6)


def test_brush_in_one_view_is_what_the_others_count(page, h5):
    see(page, "geometry", "g.mean")
    marks = placed(page, "#geometry .plot >> nth=0 >> g.mean", "length", "angle")
    x, y = scale([(v[0], at[0]) for v, at in marks]), scale([(v[1], at[1]) for v, at in marks])
    angle, length = h5["geometry/angle"][0, 0], h5["geometry/length"][0, 0]
    low, high = np.polyval(x, np.quantile(length, [0.2, 0.7]))
    top, bottom = np.polyval(y, np.quantile(angle, [0.8, 0.1]))
    drag(page, "#geometry .plot >> nth=0", (low, top), (high, bottom))
    px, py = np.polyval(x, length), np.polyval(y, angle)
    wanted = (px >= low) & (px <= high) & (py >= top) & (py <= bottom)
    unsure = np.minimum(np.minimum(abs(px - low), abs(px - high)), np.minimum(abs(py - top), abs(py - bottom))) < 0.6
    got = chosen(page)
    assert 30 < got.sum() < SAMPLES and ((got == wanted) | unsure).all()

    see(page, "cost", "g.variant")
    label, given = h5["label"][:], h5["prediction/class"][:, 0]
    accuracy = {name: float(a) for name, a in data(page, "#cost g.variant", "name", "accuracy")}
    assert accuracy["dense"] == pytest.approx((given[0] == label)[got].mean())
    assert accuracy["magnitude-global-0.1"] == pytest.approx(np.mean([(given[v] == label)[got].mean() for v in (1, 2)]))

    see(page, "layers", "g.node")
    taken = np.flatnonzero(got[:TAKEN])
    [first] = [m for n, m in data(page, "#layers g.node", "node", "means") if n == "conv1"][:1]
    b = h5["linear/dense/b_node"][:]
    assert float(first.split()[0]) == pytest.approx(np.mean([b[s, given[0, s], 0] for s in taken]), rel=1e-5)

    page.focus("#layers .plot >> nth=0")
    page.evaluate("facetViewer.store.set({ selected: null })")
    settled(page)
    assert not chosen(page).any()


def test_filter_changes_what_is_shown(page, h5):
    see(page, "geometry", "g.mean")
    page.click("#geometry .legend button >> nth=2")
    page.wait_for_function("facetViewer.store.state.passing.includes(0)")
    settled(page)
    assert state(page, "Array.from(passing)") == (h5["label"][:] == 2).astype(int).tolist()
    assert [k for k, in data(page, "#geometry .plot >> nth=0 >> g.mean", "class")] == ["2"]


def test_global_geometry_shows_cosines_and_selects_along_an_axis(page, h5):
    see(page, "parallel", "path.mean")
    label = h5["label"][:]
    for side in (0, 1):
        marks = placed(page, f"#parallel .plot >> nth={side} >> path.mean", "class", "cosine")
        for (k, cosine), _ in marks:
            assert cosine == pytest.approx(np.cos(h5["geometry/angle"][side, 0])[label == k].mean(), abs=1e-6)
    y = scale([(v[1], at[1]) for v, at in marks])
    axis = {int(v[0]): at[0] for v, at in marks}[3]
    low, high = 0.1, 0.6
    drag(page, "#parallel .plot >> nth=1", (axis, np.polyval(y, high)), (axis, np.polyval(y, low)))
    cosine = h5["geometry/cosine"][1, 0][:, 3]
    sure = (abs(cosine - low) > 2 / 64) & (abs(cosine - high) > 2 / 64)  # codes have 64 steps
    assert (chosen(page) == ((cosine > low) & (cosine < high)))[sure].all() and sure.sum() > 200


def test_similarity_shows_the_layout_and_leaves_out_what_failed(page, h5):
    see(page, "similarity", "g.item")
    names, conditions = list(h5["variant"].asstr()[:]), list(h5["condition"].asstr()[:])
    found = data(page, "#similarity g.item", "name", "condition", "x", "y")
    assert {n for n, _, _, _ in found} == set(names[:-1])
    for name, condition, x, y in found:
        assert [float(x), float(y)] == pytest.approx(h5["similarity/layout"][names.index(name) * len(conditions) + conditions.index(condition)])
    paths = page.query_selector_all("#similarity path.severity")
    assert len(paths) == len(names) - 1 and all(len(p.get_attribute("d").split("L")) == len(conditions) for p in paths)
    page.check("#similarity input >> nth=1")
    page.wait_for_selector("#similarity g.item.failed")
    page.check("#similarity input >> nth=0")  # folded
    page.wait_for_function("document.querySelectorAll('#similarity g.item').length === 9")
    found = {(n, c): (float(x), float(y)) for n, c, x, y in data(page, "#similarity g.item", "name", "condition", "x", "y")}
    layout = h5["similarity/layout"][:].reshape(len(names), len(conditions), 2)
    assert found["magnitude-global-0.1", "clean"] == pytest.approx(layout[1:3, 0].mean(axis=0))


def test_click_compares(page):
    see(page, "similarity", "g.item")
    page.locator('#similarity g.item[data-name="magnitude-global-0.1-s2"][data-condition="noise/2"]').dispatch_event("click")
    settled(page)
    assert (state(page, "second"), state(page, "condition")) == (2, 2)
    assert "second=magnitude-global-0.1-s2" in page.url or page.wait_for_url("**second=magnitude-global-0.1-s2**") is None


def test_cost_marks_those_that_none_beats(page, h5):
    see(page, "cost", "g.variant")
    accuracy, cost = h5["summary/accuracy"][:, 0], h5["cost/flops_sparse"][:].astype(float)
    mean = {"dense": (cost[0], accuracy[0]), "magnitude-global-0.1": (cost[1:3].mean(), accuracy[1:3].mean()), "magnitude-global-0.2-s1": (cost[3], accuracy[3])}
    found = {n: (float(c), float(a), b == "true") for n, c, a, b in data(page, "#cost g.variant", "name", "cost", "accuracy", "best")}
    assert {n: f[:2] for n, f in found.items()} == {n: pytest.approx(m) for n, m in mean.items()}
    alive = {n: m for n, m in mean.items() if n != "magnitude-global-0.2-s1"}  # it has failed
    beaten = {n for n, (c, a) in alive.items() for d, b in alive.values() if d <= c and b >= a and (d, b) != (c, a)}
    assert {n for n, f in found.items() if f[2]} == set(alive) - beaten


def test_layers_show_what_was_removed_and_what_changed(page, h5):
    see(page, "layers", "g.node")
    removed = {(v, layer): float(s) for v, layer, s in data(page, "#layers g.cell", "variant", "layer", "share")}
    assert removed["magnitude-global-0.1", "conv1"] == pytest.approx(0.15) and removed["magnitude-global-0.2-s1", "dense2"] == pytest.approx(0.7)
    part = "#layers .layer-part >> nth={} >> g.node"
    name, given = h5["variant"].asstr()[1], h5["prediction/class"][:, 0]
    for node, means in data(page, part.format(1), "node", "means"):
        for v, mean in enumerate(means.split()):
            b = h5[f"linear/{h5['variant'].asstr()[v]}/b_node"][:]
            assert float(mean) == pytest.approx(np.mean([b[s, given[v, s], NODES.index(node)] for s in range(TAKEN)]), rel=1e-5)
    parts, total = h5[f"change/{name}/node"][:].astype(float), h5[f"change/{name}/total"][:]
    wanted = {"all pixels": (total - parts.sum(axis=1)).mean(), **dict(zip(NODES, parts.mean(axis=0)))}
    assert {n: float(m) for n, m in data(page, part.format(2), "node", "means")} == {n: pytest.approx(m, rel=1e-5) for n, m in wanted.items()}
    assert [float(m) for _, m in data(page, part.format(3), "node", "means")] == pytest.approx(h5[f"change/{name}/gates"][:].mean(axis=0))


def test_layers_and_cost_by_keyboard(page, h5):
    see(page, "layers", "g.cell")
    names = [name for name, in data(page, "#layers g.cell", "variant")]
    columns, layers = list(dict.fromkeys(names)), list(dict.fromkeys(layer for layer, in data(page, "#layers g.cell", "layer")))
    page.focus("#layers .plot >> nth=0")
    for keys, column, row in ((["ArrowRight"], 0, 0), (["ArrowRight", "ArrowDown"], 1, 1), (["ArrowLeft", "ArrowLeft"], 0, 1)):
        for key in keys:
            page.keyboard.press(key)
        assert page.text_content(".tip strong") == f"{columns[column]}: {layers[row]}"
        settled(page)
        assert data(page, "#layers g.cell.cursor", "variant", "layer") == [[columns[column], layers[row]]]
    page.evaluate("facetViewer.store.set({ second: 0 })")
    page.keyboard.press("Enter")
    assert state(page, "second") == list(h5["variant"].asstr()).index(f"{columns[0]}-s1")
    page.focus(f"#layers text.column:text('{columns[1]}')")
    page.keyboard.press("Shift+Enter")
    assert state(page, "first") == 3
    see(page, "cost", "g.variant")
    there = [name for name, in data(page, "#cost g.variant", "name")]
    for key, wanted in (("ArrowLeft", [there[-1], there[-2]]), ("ArrowRight", [there[-1], there[0]])):  # the first key begins at an end
        page.focus("#cost .plot")
        for name in wanted:
            page.keyboard.press(key)
            assert page.text_content(".tip strong") == name + " (failed)" * (name == "magnitude-global-0.2-s1")


def test_points_without_a_cost_are_passed_over(viewer, path, tmp_path):  # noqa: F811
    shutil.copyfile(path, tmp_path / "some.h5")
    with h5py.File(tmp_path / "some.h5", "r+") as h5:
        h5["cost/epochs"][-1] = np.nan
    with viewer.shown(tmp_path / "some.h5", "cost.cost=epochs") as page:
        see(page, "cost", "g.variant")
        there = [name for name, in data(page, "#cost g.variant", "name")]
        assert len(there) == 2
        page.focus("#cost .plot")
        for name in (there[1], there[0], there[1]):
            page.keyboard.press("ArrowLeft")
            assert page.text_content(".tip strong") == name


def test_map_selects_where_the_samples_lie(page, h5):
    see(page, "map", ".stop")
    page.wait_for_function("document.querySelector('#map .note').textContent.includes('300 samples')")
    stops = page.eval_on_selector_all("#map .stop", "(all) => all.map((element) => element.textContent)")
    assert stops == ["dense, clean", f"{h5['variant'].asstr()[1]}, clean"]
    page.select_option("#map select >> nth=1", "brush")
    box = page.locator("#map .plot").bounding_box()
    at = h5["embed/position"][:2, 0].reshape(-1, 2)
    middle, half = (at.min(axis=0) + at.max(axis=0)) / 2, (at.max(axis=0) - at.min(axis=0)).max() / 2 * 1.04
    x = box["width"] / 2 + (h5["embed/position"][1, 0, :, 0] - middle[0]) / half * box["height"] / 2
    end = time.monotonic() + PATIENCE
    while not chosen(page).any() and time.monotonic() < end:  # until the points are there
        drag(page, "#map .plot", (5, 5), (box["width"] * 0.52, box["height"] - 5))
    sure = abs(x - box["width"] * 0.52) > 1
    assert (chosen(page) == (x < box["width"] * 0.52))[sure].all()
    page.select_option("#map select >> nth=2", "noise")
    page.wait_for_function("document.querySelectorAll('#map .stop').length === 4")
    settled(page)


def test_the_part_of_the_map_that_is_shown_is_in_the_address(page, h5):
    at = h5["embed/position"][1, 0]
    apart = np.linalg.norm(at - at[:, None], axis=2) + 1e9 * np.eye(len(at))
    lonely = int(apart.min(axis=1).argmax())

    def middle():
        box = page.locator("#map .plot").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def shows_it():
        page.evaluate("facetViewer.store.set({ sample: null })")
        end = time.monotonic() + PATIENCE
        while state(page, "sample") is None and time.monotonic() < end:  # until the points are there
            page.mouse.click(*middle())
            settled(page)
        assert state(page, "sample") == lonely

    see(page, "map", ".stop")
    page.evaluate(f"location.hash += '&map.look={at[lonely, 0]},{at[lonely, 1]},30'")
    shows_it()
    page.reload()
    page.wait_for_function("window.facetViewer")
    see(page, "map", ".stop")
    shows_it()
    page.wait_for_function("/sample=.*&map.look=/.test(location.hash)")  # all that is chosen is in the address
    page.evaluate("location.hash = location.hash.replace(/&map.look=[^&]*/, '')")  # of a link that began with a part
    page.wait_for_function("!('map.look' in facetViewer.store.state.choices)")
    page.select_option("#map select >> nth=1", "pan")
    settled(page)
    page.mouse.move(*middle())
    page.mouse.wheel(0, -240)
    page.wait_for_function("location.hash.includes('map.look=')")
    settled(page)
    assert 1 < float(page.evaluate("facetViewer.store.state.choices['map.look'][0]").split(",")[2]) < 30
    page.click("#map button:text-is('whole map')")
    page.wait_for_function("!location.hash.includes('map.look')")


def test_a_reload_restores_what_was_chosen_in_the_views(page):
    offered = [("cost", 0, "parameters"), ("geometry", 0, "lasso"), ("parallel", 0, "kept"), ("map", 0, "margin"), ("map", 1, "pan"), ("map", 2, "noise")]
    for view, at, value in offered:
        see(page, view, ".choices select")
        page.select_option(f"#{view} .choices select >> nth={at}", value)
        settled(page)
    page.check("#similarity input >> nth=0")
    page.click("#similarity button[title='as wide as the page']")
    page.wait_for_function("document.querySelectorAll('#map .stop').length === 4")
    page.click("#map .stop >> nth=2")
    page.wait_for_function("location.hash.includes('map.step=noise/1')")
    page.reload()
    page.wait_for_function("window.facetViewer")
    for view, at, value in offered:
        see(page, view, ".choices select")
        assert page.input_value(f"#{view} .choices select >> nth={at}") == value, view
    page.wait_for_function("document.querySelectorAll('#map .stop').length === 4")
    assert page.get_attribute("#map .stop >> nth=2", "aria-pressed") == "true"
    assert [k for k, in data(page, "#parallel .plot >> nth=0 >> path.mean", "class")] != ["0", "1", "2", "3"]
    see(page, "similarity", "g.item")
    assert page.is_checked("#similarity input >> nth=0") and not page.query_selector("#similarity.half")


def test_a_step_comes_with_its_corruption(page):
    see(page, "map", ".stop")
    page.click("#map .stop >> nth=0")
    page.wait_for_function("location.hash.includes('map.step=first')")
    settled(page)
    page.evaluate("location.hash = location.hash.replace('map.step=first', 'map.corruption=noise&map.step=noise/1')")
    page.wait_for_selector("#map .stop[aria-pressed=true]:text-is('noise/1')")
    assert page.evaluate("facetViewer.store.state.choices['map.step'].join()") == "noise/1"


# Counts observers that observe, and listeners of the window and the document.
LIVE = """window.live = { observers: new Set(), listeners: new Map() };
for (const name of ["ResizeObserver", "IntersectionObserver"]) {
  window[name] = class extends window[name] {
    observe(...what) { live.observers.add(this); return super.observe(...what); }
    disconnect() { live.observers.delete(this); return super.disconnect(); }
  };
}
const { addEventListener, removeEventListener } = EventTarget.prototype;
const key = (on, type, what) => (on === window || on === undefined ? "window " : on === document ? "document " : null) + type;
EventTarget.prototype.addEventListener = function (type, what, options) {
  const on = this ?? window;
  if (on === window || on === document) {
    const all = live.listeners.get(what) ?? new Set();
    live.listeners.set(what, all.add(key(on, type)));
    options?.signal?.addEventListener("abort", () => all.delete(key(on, type)));
  }
  return addEventListener.call(on, type, what, options);
};
EventTarget.prototype.removeEventListener = function (type, what, options) {
  live.listeners.get(what)?.delete(key(this ?? window, type));
  return removeEventListener.call(this ?? window, type, what, options);
};"""
COUNTED = "[live.observers.size, [...live.listeners.values()].flatMap((all) => [...all]).sort().join()]"


def test_a_study_that_is_left_leaves_nothing_behind(viewer, path, tmp_path):  # noqa: F811
    (tmp_path / "none.h5").write_text("no study" * 100)
    page = viewer.page()
    page.add_init_script(LIVE)
    page.goto(f"http://127.0.0.1:{viewer.server.server_address[1]}/")
    page.wait_for_selector(".welcome .big")
    before = page.evaluate(COUNTED)
    page.set_input_files(".welcome input[type=file]", path)
    page.wait_for_function("window.facetViewer")
    for view in ("evaluation", "similarity", "cost", "geometry", "parallel", "map", "sample", "layers"):
        see(page, view, ".body:not([aria-busy])")
    assert page.evaluate("live.observers.size") > 20
    page.set_input_files(".head input[type=file]", tmp_path / "none.h5")
    page.wait_for_selector(".problem")
    page.evaluate("new Promise((done) => setTimeout(done))")
    assert page.evaluate(COUNTED) == before and page.evaluate("window.facetViewer") is None
    page.close()
    assert not viewer.wrong


def test_views_without_their_arrays_say_why(viewer, tmp_path):  # noqa: F811
    made_study.make(tmp_path / "bare.h5", variants=1, conditions=1)
    page = viewer.open(tmp_path / "bare.h5")
    for view in ("parallel", "map", "similarity", "cost", "layers"):
        see(page, view, ".unavailable")
    page.close()
    assert not viewer.wrong


def test_many_classes_have_a_strip_and_some_axes(viewer, tmp_path):  # noqa: F811
    path = tmp_path / "wide.h5"
    made_study.make(path, classes=200, samples=400, index=False)
    with h5py.File(path, "a") as h5:
        cosine = np.random.default_rng(2).uniform(-1, 1, (*h5["geometry/angle"].shape, 200))
        made_study.contiguous(h5, "geometry/cosine", cosine.shape, "<f8", cosine)
        made_study.write_index(h5)
    page = viewer.open(path)
    see(page, "parallel", "text.class-name")
    assert len(page.query_selector_all("#parallel .plot >> nth=2 >> text.class-name")) == 16
    page.focus("#parallel .plot >> nth=0")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('#parallel select').value === 'number'")
    settled(page)
    assert data(page, "#parallel .plot >> nth=1 >> path.mean", "class")[0] == ["16"]
    page.close()
    assert not viewer.wrong
