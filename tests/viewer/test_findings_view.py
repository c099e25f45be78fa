"""The list of findings in a real Chromium: their texts as they are, and the state and the picture that each leads to."""

import json

import h5py
import numpy as np
import pytest

import made_study
from browsing import lacking, settled, viewer  # noqa: F401

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")


def test_each_leads_to_what_shows_it(viewer, tmp_path):  # noqa: F811
    path = tmp_path / "found.h5"
    made_study.make(path, index=False)
    with h5py.File(path, "a") as h5:
        variants, conditions, classes = (list(h5[name].asstr()[:]) for name in ("variant", "condition", "class"))
        second, condition, cls = variants[2], conditions[1], classes[1]
        said = [("failed", "Well: none has <b>failed</b>.", "#view=evaluation&first=dense"), ("best of clean at 0.5", "", ""),
                ("classes and pruning", "One pays most: a lot.", f"#view=cost&first={variants[1]}&second={second}&condition={condition}&class={cls}&metric=length")]
        made_study.texts(h5, "findings/finding", [about for about, _, _ in said])
        for name, values in (("text", [text for _, text, _ in said]), ("view", [view for _, _, view in said]), ("number", [json.dumps({"p": 0.5})] * 3)):
            h5[f"findings/{name}"] = np.array([value.encode() for value in values], dtype=h5py.string_dtype("utf-8", 4096))
    page = viewer.open(path, "selected=1-20")
    page.wait_for_selector("#findings li")
    assert [item.text_content() for item in page.query_selector_all("#findings li p")] == [text for _, text, _ in said if text]
    assert json.loads(page.text_content("#findings pre")) == {"p": 0.5}
    page.click("#findings li:nth-child(2) button")
    settled(page)
    state = page.evaluate("(({first, second, condition, metric, filters, selected}) => [first, second, condition, metric, filters.classes, selected])"
                          "(window.facetViewer.store.state)")
    assert state == [1, 2, 1, "length", [1], None]
    page.wait_for_function("Math.abs(document.getElementById('cost').getBoundingClientRect().top) < innerHeight / 2")
    page.close()
    assert not viewer.wrong


def test_a_study_without_says_so(viewer, tmp_path):  # noqa: F811
    made_study.make(tmp_path / "without.h5", index=False)
    page = viewer.open(tmp_path / "without.h5")
    assert "made before facet wrote findings" in page.text_content("#findings .unavailable")
    page.close()
