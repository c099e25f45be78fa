"""The viewer in a real Chromium: its numbers are h5py's, a selection is seen everywhere, the address restores a state, names
stay text, and nothing is asked of the network."""

import base64
import csv
import gzip
import os
import re
import signal
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml

import h5py
import numpy as np
import pytest

import made_study
from browsing import BUILT, PATIENCE, ROOT, lacking, settled, viewer  # noqa: F401

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("viewer")


@pytest.fixture(scope="session")
def made(folder):
    path = folder / "made.h5"
    return path, made_study.make(path)


@pytest.fixture
def page(viewer, made):  # noqa: F811
    shown = viewer.open(made[0])
    yield shown
    shown.close()
    assert not viewer.wrong
    assert all(re.match(r"http://127\.0\.0\.1:|blob:|data:|file:", url) for url in viewer.asked), viewer.asked


def numbers(page):
    """What the evaluation table says: {row: [text of each condition]}, in its order."""
    return {row.query_selector(".name").text_content(): [cell.text_content() for cell in row.query_selector_all("td .number")]
            for row in page.query_selector_all("#evaluation tbody tr")}


def percent(share):
    return f"{100 * share:.1f} %".replace("-", "\u2212")


def choose(page, selector, value):
    page.select_option(selector, value)
    settled(page)


def test_table_holds_the_numbers_of_h5py(page, made):
    path, _ = made
    with h5py.File(path) as h5:
        accuracy, margin = h5["summary/accuracy"][:], h5["geometry/margin"][:].mean(axis=2)
    page.click("#evaluation .fold[aria-expanded=false]")
    settled(page)
    table = numbers(page)
    assert table["dense"] == [percent(a) for a in accuracy[0]]
    assert table["magnitude-global-0.1-s1"] == [percent(a) for a in accuracy[1]]
    mean, deviation = accuracy[1:3].mean(axis=0), accuracy[1:3].std(axis=0, ddof=1)
    assert table["magnitude-global-0.1"] == [f"{percent(m)} ±{100 * d:.1f}" for m, d in zip(mean, deviation)]
    choose(page, "#evaluation select", "margin")
    assert [float(cell.replace("\u2212", "-")) for cell in numbers(page)["dense"]] == pytest.approx(margin[0], abs=0.006)


def test_failed_variant_is_grey_last_and_never_best(page, made):
    failed = page.query_selector_all("#evaluation tr.failed")
    assert [row.query_selector(".name").text_content() for row in failed] == ["magnitude-global-0.2-s1"]
    for _ in range(2):  # highest first, lowest first
        page.click("#evaluation thead th:nth-child(3) button")
        settled(page)
        assert list(numbers(page))[-1] == "magnitude-global-0.2-s1"
    assert not page.query_selector("#evaluation tr.failed .best")


def test_sorting_by_a_condition(page, made):
    accuracy = made[1]["accuracy"]
    order = {"dense": accuracy[0, 1], "magnitude-global-0.1": accuracy[1:3, 1].mean()}
    page.click("#evaluation thead th:nth-child(4) button")
    settled(page)
    assert list(numbers(page))[:2] == sorted(order, key=order.get, reverse=True)
    assert page.get_attribute("#evaluation thead th:nth-child(4)", "aria-sort") == "descending"


def test_mean_of_the_corrupted_stays_in_its_row(page, made):
    right = made[1]["given"] == made[1]["label"]
    page.click("#evaluation thead th:nth-child(4) button")
    settled(page)
    order = list(numbers(page))
    better = "dense" if order[0] == "dense" else "magnitude-global-0.1"
    rows = {"dense": right[:1], "magnitude-global-0.1": right[1:3]}
    [other] = set(rows) - {better}
    selected = ~rows[better][:, 1].any(axis=0) & rows[other][:, 1].any(axis=0)  # of these the second row is the best
    assert selected.any()
    page.evaluate("(selected) => facetViewer.store.set({ selected: Uint8Array.from(selected) })", selected.astype(int).tolist())
    page.wait_for_function(f"document.querySelector('.count').textContent.startsWith('{selected.sum()} ')")
    settled(page)
    assert list(numbers(page)) == order
    said = {row.query_selector(".name").text_content(): float(row.query_selector("td.corrupted").text_content().removesuffix(" %")) for row in page.query_selector_all("#evaluation tbody tr")}
    assert [said[name] for name in rows] == pytest.approx([100 * of[:, 1:, selected].mean() for of in rows.values()], abs=0.051)


def test_brush_selects_and_every_number_follows(page, made):
    data = made[1]
    brush = page.query_selector("#evaluation .evaluation-detail .brush .overlay")
    box = brush.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 22, steps=4)
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 22, steps=4)
    page.mouse.up()
    settled(page)
    selected = np.array(page.evaluate("Array.from(window.facetViewer.store.state.selected)"), bool)
    inside = data["margin"][0, 0][selected]
    assert 0 < selected.sum() < len(selected)
    assert data["margin"][0, 0][~selected].min() > inside.max()  # from the left end of the picture on
    assert f"{selected.sum()} selected" in page.text_content(".count")
    right = data["given"] == data["label"]
    assert numbers(page)["dense"] == [percent(right[0, c, selected].mean()) for c in range(3)]
    page.keyboard.press("Escape")
    settled(page)
    assert numbers(page)["dense"] == [percent(a) for a in data["accuracy"][0]]
    assert not page.query_selector(".brush .selection[width]:not([style*='none'])")


def test_filters_by_class_and_by_what_the_networks_say(page, made):
    data = made[1]
    page.click("text=Filters")
    page.uncheck(".filters fieldset:first-child label:has-text('class 0') input")
    choose(page, ".filters select[aria-label='dense is']", "right")
    settled(page)
    passing = (data["label"] != 0) & (data["given"][0, 0] == data["label"])
    page.wait_for_function(f"document.querySelector('.count').textContent.startsWith('{passing.sum()} ')")
    settled(page)
    right = data["given"] == data["label"]
    assert numbers(page)["dense"] == [percent(right[0, c, passing].mean()) for c in range(3)]
    page.click(".chip:has-text('all ×')")
    page.wait_for_function(f"document.querySelector('.count').textContent === '{len(passing)} samples'")


def test_search_by_number_and_class(page, made):
    data = made[1]
    for text, wanted in (("3, 10-12", [3, 10, 11, 12]), ("class 2", np.flatnonzero(data["label"] == 2)), ("7", [7])):
        page.fill("#search", text)
        page.press("#search", "Enter")
        settled(page)
        assert page.evaluate("Array.from(window.facetViewer.store.state.selected).flatMap((one, i) => one ? [i] : [])") == list(wanted), text
    assert page.evaluate("window.facetViewer.store.state.sample") == 7
    page.fill("#search", "no such class")
    page.press("#search", "Enter")
    assert page.text_content(".search-said.none") == "none"


def test_a_number_that_is_the_name_of_a_class(viewer, folder):  # noqa: F811
    """It is the class, and said to be; with # it is the sample."""
    data = made_study.make(folder / "digits.h5", class_names=["7", "1", "22", "3"])
    page = viewer.open(folder / "digits.h5")
    for text, wanted, said in (("7", np.flatnonzero(data["label"] == 0), "class 7 (#7: the sample)"), ("#7", [7], "sample 7"),
                               ("5, 10-12", [5, 10, 11, 12], "sample 5, samples 10 to 12"), ("22,#3", {3, *np.flatnonzero(data["label"] == 2)}, "class 22 (#22: the sample), sample 3")):
        page.fill("#search", text)
        page.press("#search", "Enter")
        settled(page)
        assert page.evaluate("Array.from(window.facetViewer.store.state.selected).flatMap((one, i) => one ? [i] : [])") == sorted(wanted), text
        assert page.text_content(".search-said:not(.none)") == said
    page.evaluate("window.facetViewer.store.set({ selected: null })")
    settled(page)
    assert page.text_content(".search-said") == ""
    page.close()
    assert not viewer.wrong


def test_address_restores_the_state(viewer, page, made):  # noqa: F811
    path, _ = made
    state = "first=magnitude-global-0.1-s1&second=dense&condition=noise/2&metric=angle&sample=5&class=class%201&class=class%203&second_is=right&group=3-9:mine&in=mine&selected=4,6-8"
    other = viewer.open(path, f"view=evaluation&{state}&class=none%20such&variant=nobody&nonsense&x=%ff")
    get = "(({selected, passing, groups, ...state}) => JSON.stringify({...state, selected: selected && selected.join(), groups: groups.map((g) => [g.name, g.members.join()])}))(window.facetViewer.store.state)"
    there = other.evaluate(get)
    assert '"metric":"angle"' in there and '"first":1' in there and '"condition":2' in there and '"sample":5' in there
    other.evaluate("window.facetViewer.store.set({ metric: 'length' })")
    other.wait_for_function("location.hash.includes('metric=length')")
    address, changed = other.evaluate("location.hash"), other.evaluate(get)
    third = viewer.open(path, address[1:])
    assert third.evaluate(get) == changed and third.evaluate("location.hash") == address
    other.close()
    third.close()


def test_an_address_that_is_changed_while_the_state_is_to_be_written_holds(page):
    page.evaluate("""new Promise((done, failed) => {
      const later = window.setTimeout, due = [];
      window.setTimeout = (...call) => (call[1] > 100 ? due.push(call[0]) : later(...call));
      facetViewer.store.set({ metric: "length" });
      later(() => {
        window.setTimeout = later;
        location.hash = "metric=angle";
        try {
          for (const what of due) what();  // before anybody hears of the change
        } catch (error) {
          failed(error);
        }
        later(done, 300);
      }, 100);
    })""")
    assert page.evaluate("facetViewer.store.state.metric") == "angle" and page.evaluate("location.hash") == "#metric=angle"


CONTROLS = """[...document.querySelectorAll('#evaluation .choices select, #evaluation .choices input')].map((one) => one.type === 'checkbox' ? one.checked : one.value)"""


def test_a_reload_restores_what_was_chosen_in_a_view(viewer, page, made):  # noqa: F811
    choose(page, "#evaluation .choices select", "length")
    page.check("#evaluation .choices input")
    page.click("#evaluation thead th:nth-child(4) button")
    settled(page)
    page.click("#evaluation thead th:nth-child(4) button")  # rising
    settled(page)
    page.click("#evaluation .fold[aria-expanded=false]")
    settled(page)
    table, sort = numbers(page), page.get_attribute("#evaluation thead th:nth-child(4)", "aria-sort")
    assert sort == "ascending" and "magnitude-global-0.1-s2" in table and page.evaluate(CONTROLS) == ["length", True]
    page.wait_for_function("location.hash.includes('evaluation.open')")
    page.reload()
    page.wait_for_function("window.facetViewer")
    settled(page)
    assert list(numbers(page).items()) == list(table.items()) and page.evaluate(CONTROLS) == ["length", True]
    assert page.get_attribute("#evaluation thead th:nth-child(4)", "aria-sort") == sort
    page.evaluate("location.hash = 'evaluation.measure=beauty&evaluation.sort=noise/2&evaluation.open=nobody&evaluation.wings=2&cost.cost=flops'")
    page.wait_for_function("document.querySelector('#evaluation thead th:nth-child(5)').getAttribute('aria-sort') === 'descending'")
    settled(page)
    assert page.evaluate(CONTROLS) == ["accuracy", False] and page.evaluate("Object.keys(facetViewer.store.state.choices).join()") == "evaluation.sort"


def test_own_groups_are_kept_in_the_address(page, made):
    page.on("dialog", lambda dialog: dialog.accept("odd, & <b>"))
    page.fill("#search", "3, 10-12")
    page.press("#search", "Enter")
    settled(page)
    page.click(".status button:has-text('Keep as group')")
    page.wait_for_function("location.hash.includes('group=')")
    page.reload()
    page.wait_for_function("window.facetViewer")
    assert page.evaluate("facetViewer.store.state.groups.map(({ name, members }) => [name, members.reduce((a, b) => a + b, 0)]).join('|')") == "odd, & <b>,4"
    page.click("text=Filters")
    page.check(".filters .group input")
    page.wait_for_function("document.querySelector('.count').textContent.includes('4 that pass')")


def test_a_seed_that_has_failed_is_left_out_of_its_group(viewer, folder):  # noqa: F811
    path = folder / "seed.h5"
    data = made_study.make(path, variants=4, replicates=3)
    with h5py.File(path, "a") as h5:
        made_study.contiguous(h5, "cost/parameters", (4,), "<i8", np.array([100, 10, 20, 90]))
        del h5["index"]
        made_study.write_index(h5)
    page = viewer.open(path)
    mean, deviation = data["accuracy"][1:3].mean(axis=0), data["accuracy"][1:3].std(axis=0, ddof=1)
    assert numbers(page)["magnitude-global-0.1"] == [f"{percent(m)} ±{100 * d:.1f}" for m, d in zip(mean, deviation)]
    assert not page.query_selector("#evaluation tr.failed") and page.text_content("#evaluation .seeds") == "×2 of 3"
    page.eval_on_selector("#cost", "(element) => element.scrollIntoView({ behavior: 'instant' })")
    page.wait_for_selector("#cost g.variant >> nth=1", state="attached")
    cost = page.eval_on_selector("#cost g.variant[data-name='magnitude-global-0.1']", "({ dataset }) => [Number(dataset.cost), Number(dataset.accuracy)]")
    assert cost == pytest.approx([15, mean[0]])
    page.close()


def test_large_selections_fit_the_address(page):
    text = page.evaluate("""() => { const selected = new Uint8Array(300); for (let i = 0; i < 300; i += 1 + i % 3) selected[i] = 1;
        window.facetViewer.store.set({ selected }); return selected.join() }""")
    page.wait_for_function("location.hash.includes('selected=~')")
    page.reload()
    page.wait_for_function("window.facetViewer")
    assert page.evaluate("window.facetViewer.store.state.selected.join()") == text


def test_exports_open(page, made):
    with page.expect_download() as download:
        page.click("#evaluation button:has-text('SVG')")
    picture = xml.parse(download.value.path()).getroot()
    assert picture.tag.endswith("svg") and "dense" in "".join(picture.itertext()) and picture.findall(".//{*}path")
    with page.expect_download() as download:
        page.click("#evaluation button:has-text('PNG')")
    with open(download.value.path(), "rb") as file:
        data = file.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and int.from_bytes(data[16:20], "big") > 1000 and len(data) > 10_000
    page.fill("#search", "3, 10-12")
    page.press("#search", "Enter")
    settled(page)
    with page.expect_download() as download:
        page.click(".status button:has-text('CSV')")
    with open(download.value.path(), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["sample"]) for row in rows] == [3, 10, 11, 12]
    assert [float(row["dense margin"]) for row in rows] == pytest.approx(list(made[1]["margin"][0, 0, [3, 10, 11, 12]]), rel=1e-6)
    with page.expect_download() as download:
        page.click("#evaluation button:has-text('CSV')")
    with open(download.value.path(), newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 3 and rows[0]["samples"] == "4"


def test_keyboard(page):
    page.keyboard.press("?")
    assert page.is_visible(".guide figure svg")
    page.keyboard.press("Escape")
    assert not page.is_visible(".guide")
    before = page.evaluate("document.documentElement.dataset.theme")
    page.keyboard.press("d")
    assert page.evaluate("document.documentElement.dataset.theme") != before
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.focus("#evaluation td[tabindex='0']")
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    settled(page)
    assert page.evaluate("[window.facetViewer.store.state.second, window.facetViewer.store.state.condition].join()") == "1,1"


def test_names_with_markup_stay_text(viewer, folder):  # noqa: F811
    bad = "<img src=x onerror='window.pwned=1'>"
    path = folder / "markup.h5"
    made_study.make(path, names=["dense", f"{bad}-s1", "</script><b>x</b>"], variants=3, condition_names=["clean", f"{bad}/1", "&amp;/2"],
                    class_names=[bad, "<svg onload='window.pwned=1'>", "a & b", "'\""], study_name=f"{bad} study")
    page = viewer.open(path, "selected=1-20", height=6000)
    page.click("text=Filters")
    page.hover("#evaluation tbody tr:nth-child(2) td:nth-child(3)")
    page.click("text=Guide")
    settled(page)
    assert page.text_content(".head h1") == f"{bad} study"
    assert f"{bad}-s1" in numbers(page) and bad in page.text_content(".tip")
    assert page.evaluate("window.pwned") is None and not page.query_selector_all("#facet img[src='x']")
    with page.expect_download() as download:
        page.evaluate("document.querySelector('#evaluation .saves button').click()")
    assert bad in "".join(xml.parse(download.value.path()).getroot().itertext())
    page.close()


def test_files_without_an_index_and_rewritten_ones_are_read_through_hdf5(viewer, folder, made):  # noqa: F811
    path, data = made
    plain, packed = folder / "plain.h5", folder / "packed.h5"
    made_study.make(plain, index=False, view=False, schema=8)
    subprocess.run(["h5repack", "-f", "SHUF", "-f", "GZIP=4", path, packed], check=True)
    for file, how in ((path, "by offset"), (plain, "no index"), (packed, "rewritten")):
        page = viewer.open(file)
        assert how in page.text_content(".foot"), file
        assert numbers(page)["dense"] == [percent(a) for a in data["accuracy"][0]]
        there = page.evaluate("window.facetViewer.study.column('margin', 1, 2).then((column) => Array.from(column))")
        assert there == pytest.approx(list(data["margin"][1, 2]), rel=1e-6), file
        box = page.evaluate("window.facetViewer.study.read('/geometry/margin', [1, 1, 40], [2, 2, 3]).then((box) => Array.from(box))")
        assert box == pytest.approx(list(data["margin"][1:3, 1:3, 40:43].ravel()), rel=1e-6), file
        page.close()


def test_killed_study_says_what_is_missing(viewer, folder):  # noqa: F811
    path = folder / "killed.h5"
    data = made_study.make(path, done=False)
    page = viewer.open(path)
    assert "not finished" in page.text_content(".missing") and "analyse 87 %" in page.text_content(".missing")
    right = data["given"] == data["label"]
    assert numbers(page)["dense"] == [percent(right[0, c].mean()) for c in range(3)]
    assert numbers(page)["magnitude-global-0.2-s1"] == [percent(right[3, c, :150].mean()) for c in range(3)]
    assert page.evaluate("window.facetViewer.study.column('margin', 3, 0).then((column) => column.filter(Number.isFinite).length)") == 150
    page.close()


def test_what_is_no_study_gets_one_sentence(viewer, folder):  # noqa: F811
    text, empty, other, old, new, cut = (folder / name for name in ("text.h5", "empty.h5", "other.h5", "old.h5", "new.h5", "cut.h5"))
    text.write_text("no HDF5 at all" * 100)
    empty.write_bytes(b"")
    with h5py.File(other, "w") as file:
        file["x"] = [1, 2]
    made_study.make(old, schema=2)
    made_study.make(new, schema=99)
    whole = old.read_bytes()
    cut.write_bytes(whole[:len(whole) // 2])
    for path, said in ((text, "no HDF5 file"), (empty, "empty"), (other, "no study of facet"), (old, "schema version 2"), (new, "newer"), (cut, "not readable")):
        sentence = viewer.problem(path)
        assert said in sentence and path.name in sentence and len(sentence) < 200, sentence


def test_one_variant_and_two_hundred_classes(viewer, folder):  # noqa: F811
    one, many = folder / "one.h5", folder / "many.h5"
    data = made_study.make(one, variants=1, conditions=1, samples=40, classes=2)
    page = viewer.open(one, width=1024, height=4000)
    assert numbers(page) == {"dense": [percent(data["accuracy"][0, 0])]}
    page.close()
    data = made_study.make(many, variants=6, samples=2000, classes=200)
    page = viewer.open(many, "class=class%20150", width=1024, height=4000)
    page.wait_for_function(f"document.querySelector('.count').textContent.startsWith('{(data['label'] == 150).sum()} ')")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.close()


def test_first_view_takes_at_most_forty_reads(viewer, folder):  # noqa: F811
    path = folder / "large.h5"
    data = made_study.make(path, variants=10, conditions=20, samples=2003, hole=2 << 30)
    page = viewer.open(path, height=700)  # with all its histograms
    print(f"\nreads to the first view: {viewer.server.reads}, {viewer.server.bytes / 1e6:.1f} MB of {path.stat().st_size / 1e9:.1f} GB")
    assert viewer.server.reads <= 40 and viewer.server.bytes < 20e6
    assert page.query_selector("#sample .body[aria-busy]")  # what is far down reads nothing yet
    assert numbers(page)["dense"] == [percent(a) for a in data["accuracy"][0]]
    page.close()
    path.unlink()


def test_picked_and_dropped_files(viewer, made):  # noqa: F811
    path, data = made
    page = viewer.page()
    page.goto(f"http://127.0.0.1:{viewer.server.server_address[1]}/")
    page.wait_for_selector(".welcome .big")
    page.set_input_files(".welcome input[type=file]", path)
    page.wait_for_function("window.facetViewer")
    settled(page)
    assert numbers(page)["dense"] == [percent(a) for a in data["accuracy"][0]]
    page.close()


def test_one_page_with_a_study_inside_opens_from_the_disk(viewer, folder, made):  # noqa: F811
    path, data = made
    page_file = folder / "single.html"
    page_file.write_text((BUILT / "single.html").read_text().replace("@STUDY@", base64.b64encode(gzip.compress(path.read_bytes())).decode()))
    page = viewer.page()
    page.goto(page_file.as_uri())
    page.wait_for_function("window.facetViewer")
    settled(page)
    assert numbers(page)["dense"] == [percent(a) for a in data["accuracy"][0]]
    page.close()


@pytest.fixture(scope="session")
def own(folder):
    """A study that facet made."""
    sys.path.insert(0, str(ROOT / "tests/study"))
    try:
        from conftest import STUDY, make_digits, run
    except FileNotFoundError:
        pytest.skip("facet is not built")
    finally:
        sys.path.pop(0)
    make_digits(folder)
    (folder / "study.yaml").write_text(STUDY)
    done = run("run", folder / "study.yaml")
    assert done.returncode == 0, done.stderr
    return folder / "out/study.h5"


def test_a_study_of_facet_itself(viewer, own):  # noqa: F811
    page = viewer.open(own, height=8000)
    with h5py.File(own) as h5:
        assert "by offset" in page.text_content(".foot")
        accuracy = h5["summary/accuracy"][:]
        assert numbers(page)["dense"] == [percent(a) for a in accuracy[0]]
        for array in ("geometry/margin", "prediction/logits", "linear/dense/W", "label", "similarity/distance", "progress/analyse"):
            there = page.evaluate(f"window.facetViewer.study.read('/{array}').then((numbers) => Array.from(numbers))")
            np.testing.assert_array_equal(np.array(there, float), h5[array][:].astype(float).ravel(), array)
        for array in ("geometry/angle", "prediction/loss", "image"):
            assert page.evaluate(f"window.facetViewer.study.unit('/{array}')") == h5[array].attrs["units"]
    page.close()


def test_facet_view_serves_it(viewer, own):  # noqa: F811
    """In ranges, to the page that it serves itself."""
    from conftest import FACET, FOUND, environment

    if "FACET_HTTP" not in FOUND["CFLAGS"]:
        pytest.skip("facet was built without libmicrohttpd")
    process = subprocess.Popen([FACET, "view", own, "--no-browser"], stdout=subprocess.PIPE, text=True,
                               env={**environment(), "FACET_VIEWER": str(BUILT)})
    try:
        page = viewer.page()
        page.goto(re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0])
        page.wait_for_function("window.facetViewer")
        settled(page)
        with h5py.File(own) as h5:
            assert numbers(page)["dense"] == [percent(a) for a in h5["summary/accuracy"][0]]
        opened = page.evaluate("window.facetViewer.opened")
        assert opened["reads"]["count"] + opened["hdf5"]["count"] < 60 and "by offset" in page.text_content(".foot")
        page.close()
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 0


def test_one_page_of_it_opens_from_the_disk(viewer, own, folder):  # noqa: F811
    """The page of python3 -m facet view: numbers of h5py, and all that the most telling samples have."""
    done = subprocess.run([sys.executable, "-m", "facet", "view", own, "-o", folder / "own.html"], capture_output=True, text=True,
                          env={**os.environ, "FACET_VIEWER": str(BUILT), "PYTHONPATH": str(ROOT / "analysis")})
    assert done.returncode == 0, done.stderr
    page = viewer.page()
    page.goto((folder / "own.html").as_uri())
    page.wait_for_function("window.facetViewer")
    settled(page)
    assert "by offset" in page.text_content(".foot") and "Not in this page, but in the study: features" in page.text_content(".foot")
    with h5py.File(own) as h5:
        assert numbers(page)["dense"] == [percent(a) for a in h5["summary/accuracy"][0]]
        for array in "view/margin", "view/loss_bin", "linear/dense/W", "prediction/class", "image", "label":
            there = page.evaluate(f"window.facetViewer.study.read('/{array}').then((numbers) => Array.from(numbers))")
            np.testing.assert_array_equal(np.array(there, float), h5[array][:].astype(float).ravel(), array)
    page.close()


def test_a_packed_study_is_read_through_hdf5_where_it_is_in_chunks(viewer, own, folder):  # noqa: F811
    from conftest import run

    path = folder / "repacked.h5"
    shutil.copy(own, path)
    done = run("repack", path)
    assert done.returncode == 0, done.stderr
    page = viewer.open(path)
    with h5py.File(path) as h5:
        assert h5["linear/dense/W"].chunks and "by offset" in page.text_content(".foot")
        for array in ("linear/dense/W", "label"):
            there = page.evaluate(f"window.facetViewer.study.read('/{array}').then((numbers) => Array.from(numbers))")
            np.testing.assert_array_equal(np.array(there, float), h5[array][:].astype(float).ravel(), array)
    page.close()
