"""facet run --profile: where time went is in the file and adds up over runs, and changes nothing else."""

import signal

import h5py
import numpy as np
import pytest

import facet
from conftest import FACET, PATIENCE, STUDY, checksum, make_digits, run

TEXT = STUDY.split("variants:")[0] + "conditions: [clean, {corruption: gaussian_noise, severity: 1}]\nlinearize: {samples: 70}\n"


def test_profile(tmp_path):
    make_digits(tmp_path)
    for name in ("plain", "profiled"):
        (tmp_path / f"{name}.yaml").write_text(TEXT.replace("output: out", f"output: {name}"))
    assert run("run", tmp_path / "plain.yaml").returncode == 0
    done = run("run", "--profile", tmp_path / "profiled.yaml", ranks=2)
    assert done.returncode == 0 and "\nprofile " in done.stdout and "\nanalyse " in done.stdout, done.stdout + done.stderr
    store = tmp_path / "profiled" / "study.h5"
    assert checksum(store) == checksum(tmp_path / "plain" / "study.h5")

    with facet.open(store) as study:
        table = study.profile()
        first = table.loc["analyse"]
        assert {"start", "training", "analyse", "summary"} <= set(table.index.get_level_values("stage"))
        assert list(first.index) == [0, 1] and first["units"].sum() == 14  # 130 samples in blocks of 20, two conditions
        assert (table["seconds"] > 0).all() and (table["waiting"] + table["storing"] <= table["seconds"] + 1e-3).all()
        assert (first["rate"] > 0).all() and (first["memory"] > 1e6).all() and (first["collective"] > 0).all()
        images = study.file["image"].size * study.file["image"].dtype.itemsize
        assert first["bytes"].sum() > images
        assert study.labelled("profile/seconds", stage="analyse").sizes == {"rank": 2}

    with h5py.File(store, "r+") as h5:  # as if a run had been stopped: one tile is missing
        h5["progress/analyse"][0, 0, 3] = 0
    again = run("run", "--profile", tmp_path / "profiled.yaml", ranks=3)
    assert again.returncode == 0, again.stderr
    with facet.open(store) as study:
        second = study.profile().loc["analyse"]
        assert list(second.index) == [0, 1] and 14 <= second["units"].sum() <= 15
        assert (second["seconds"] > first["seconds"]).all() and (second["memory"] >= first["memory"]).all()
    assert checksum(store) == checksum(tmp_path / "plain" / "study.h5")

    with h5py.File(tmp_path / "plain" / "study.h5", "r+") as h5:
        h5["progress/summary"][0] = 0
    late = run("run", "--profile", tmp_path / "plain.yaml")
    assert late.returncode == 0 and "was begun without --profile" in late.stderr and "\nprofile " in late.stdout
    with facet.open(tmp_path / "plain" / "study.h5") as study, pytest.raises(facet.StudyError, match="has no profile"):
        study.profile()
    assert np.isfinite(second["rate"]).all()


@pytest.mark.parametrize("where", ["out/variants/dense.onnx", "out/study.h5"])
def test_a_stage_that_is_stopped(tmp_path, held, where):
    """In training, of which there is no file yet, and in the analysis: as far as it came."""
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(TEXT)
    in_file = where.endswith("h5")
    process, _ = held(where, FACET, flags=["--profile"], ranks=1, writes=100 if in_file else None)
    process.send_signal(signal.SIGUSR1)
    shown, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 75 and "run the same command again" in said, said
    assert "\nprofile " in shown and f"\n{'analyse' if in_file else 'training'} " in shown, shown
    if in_file:
        with h5py.File(tmp_path / "out/study.h5") as h5:
            stages = list(h5["profile/stage"].asstr())
            taken = {name: h5[f"profile/{name}"][stages.index("analyse")] for name in ("seconds", "units")}
            assert not h5["progress/analyse"][:].all()
        assert (taken["seconds"] > 0).all() and 0 < taken["units"].sum() < 14, taken
