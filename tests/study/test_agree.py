"""make agree: what it says of two builds whose results differ, and that the same build agrees with itself."""

import agree
import numpy as np
import pytest

import conftest


def study(**changed):
    random = np.random.default_rng(3)
    arrays = {"linear/dense/W": random.standard_normal((5, 2, 1, 4, 4)).astype("f4"), "linear/dense/residual": np.full(5, 1e-7),
              "prediction/logits": random.standard_normal((1, 1, 5, 3)).astype("f4"), "variant": np.array([b"dense"], dtype=object)}
    return {path: changed.get(path, lambda a: a)(a.copy()) for path, a in arrays.items()}


def shifted(by):
    def change(a):
        a.reshape(len(a), -1)[3, 0] += by * np.abs(a[3]).max()
        return a
    return change


@pytest.mark.parametrize("by, holds", [(0, True), (5e-6, True), (5e-5, False)])
def test_the_bound_is_of_the_largest_w_of_a_sample(capsys, by, holds):
    ours, theirs = study(), study(**{"linear/dense/W": shifted(by), "linear/dense/residual": lambda a: a * (1 + by)})
    ours["linear/dense/W"][0] *= 1000  # of another sample
    theirs["linear/dense/W"][0] *= 1000
    assert agree.compare("float", (ours, "a"), (theirs, "a" if by == 0 else "b")) == holds
    said = capsys.readouterr().out
    assert f"{4 if by == 0 else 2} of 4 arrays are the same bits" in said and f"checksums are {'the same' if by == 0 else 'others'}" in said
    assert by == 0 or f"W differs by {by:.0e}"[:12] in said and "/linear/dense/W: " in said and "1 of residuals" in said and "residual:" not in said


def test_arrays_that_one_lacks_do_not_agree(capsys):
    theirs = study()
    del theirs["prediction/logits"]
    assert not agree.compare("float", (study(), "a"), (theirs, "a"))
    assert capsys.readouterr().out == "float: in one of them alone: prediction/logits\n"


def test_a_build_agrees_with_itself(monkeypatch, capsys):
    monkeypatch.setattr(agree, "SAMPLES", 20)
    monkeypatch.setattr(agree, "STUDY", agree.STUDY.split("change:")[0])
    monkeypatch.setattr("sys.argv", ["agree", str(conftest.BUILD)])
    assert agree.main() == 0
    said = capsys.readouterr().out
    assert said.count("W differs by 0.0e+00") == said.count("checksums are the same") == 2
