"""Two runs at once on one output: the second is refused at once; who died holds nobody."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from conftest import FACET, PATIENCE, STUDY, checksum, environment, own_lines, preloaded, run

TRIES = int(os.environ.get("FACET_TRIES", "3"))  # 16 take a minute


def start(folder, *more):
    return subprocess.Popen([FACET, "run", folder / "study.yaml", *more], env=environment(), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def refused(done, folder):
    said = own_lines(done)
    assert done.returncode == 73 and len(said) == 1, done.stderr
    return re.fullmatch(rf"facet: {folder}/out: another run is at work there: process (\d+) on (\S+), since "
                        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; wait for it, or choose another output", said[0])


def test_the_second_is_refused_and_who_died_holds_nobody(small, held):
    first, _ = held("out/study.yaml", FACET, ranks=1)  # it has the lock by then
    for ranks, more in ((1, ()), (2, ()), (1, ("--fresh",))):
        said = refused(run("run", small / "study.yaml", *more, ranks=ranks), small)
        assert said and int(said[1]) == first.pid and said[2] == os.uname().nodename
    assert run("corrupt", small / "study.yaml", small / "out").returncode == 73
    first.kill()
    first.communicate()
    assert (small / "out/facet.lock").exists()
    second = start(small)
    said = second.communicate(timeout=PATIENCE)[1]
    assert second.returncode == 0 and "warning" not in said, said
    assert not (small / "out/facet.lock").exists()


def test_the_second_is_refused_before_it_reads_data(small, held):
    """Which may take it long: here they are not even there."""
    first, _ = held("out/study.yaml", FACET, ranks=1)
    (small / "test-images").rename(small / "elsewhere")
    assert refused(run("run", small / "study.yaml"), small)
    first.kill()
    first.communicate()


def test_a_run_that_comes_to_nothing_leaves_no_folder(small):
    study = small / "study.yaml"
    study.write_text(STUDY.replace("output: out", "output: deep/down/out").replace("test-images", "none"))
    assert run("run", study).returncode == 66 and not (small / "deep").exists()
    (small / "deep").mkdir()
    assert run("run", study).returncode == 66 and not any((small / "deep").iterdir())


def test_a_folder_that_takes_no_files(small):
    study = small / "study.yaml"
    study.write_text(STUDY.replace("output: out", "output: /proc"))
    done = run("run", study)
    assert done.returncode == 73 and own_lines(done) == ["facet: /proc/facet.lock: cannot be created: No such file or directory"], done.stderr


def test_two_started_at_the_same_moment(small):
    assert run("run", small / "study.yaml").returncode == 0
    whole = checksum(small / "out/study.h5")
    for _ in range(TRIES):
        shutil.rmtree(small / "out")
        both = [start(small, "-n", "2"), start(small)]
        said = [one.communicate(timeout=PATIENCE)[1] for one in both]
        statuses = [one.returncode for one in both]
        # the slower one may come when the other is done, and then finds it done
        assert 0 in statuses and set(statuses) <= {0, 73}, said
        assert all("another run is at work there" in text for text, status in zip(said, statuses) if status), said
        assert checksum(small / "out/study.h5") == whole


def test_without_locks_nobody_begins_unasked(small):
    """On a file system that knows none, where a second run would not be seen."""
    env = environment() | {"LD_PRELOAD": str(preloaded("no_locks", small))}
    refused = subprocess.run([FACET, "run", small / "study.yaml"], env=env, capture_output=True, text=True)
    said = own_lines(refused)
    assert refused.returncode == 73 and len(said) == 1 and "has no locks (No locks available)" in said[0], refused.stderr
    assert not (small / "out/study.yaml").exists()
    asked = subprocess.run([FACET, "run", small / "study.yaml"], env=env | {"FACET_UNLOCKED": "1"}, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr


def test_who_died_on_another_node_holds_nobody(small, held):
    """Nor do the words that it has left, whatever process has its number here: the lock itself went with it. The other node is
    this machine under another name, which Linux lets root give to single processes."""
    other = ["unshare", "--uts", "sh", "-c", 'hostname another-node && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*other, "true"], capture_output=True).returncode:
        pytest.skip("no process may have a host name of its own here")
    first, _ = held("variants/dense.onnx", *other, FACET)
    said = refused(run("run", small / "study.yaml"), small)
    assert said and said[2] == "another-node"
    os.kill(int(said[1]), signal.SIGKILL)
    first.communicate()
    left = small / "out/facet.lock"
    left.write_text(left.read_text().replace(said[1], str(os.getpid())))
    done = run("run", small / "study.yaml")
    assert done.returncode == 0 and not own_lines(done) and not left.exists(), done.stderr


def test_what_lies_where_a_result_file_is_made(small):
    """A link to somebody's file and the rest of a run that was killed, read-only: they go. What cannot is said, and stays."""
    study, new, other = small / "study.yaml", small / "out/study.h5.new", small / "other"
    other.write_text("kept")
    new.parent.mkdir()
    new.symlink_to(other)
    assert run("run", study).returncode == 0 and not new.is_symlink()
    whole = checksum(small / "out/study.h5")
    (small / "out/study.h5").unlink()
    new.write_bytes(b"the rest of another")
    new.chmod(0o400)
    done = run("run", study)
    assert done.returncode == 0 and not own_lines(done) and not new.exists(), done.stderr
    assert checksum(small / "out/study.h5") == whole
    (small / "out/study.h5").unlink()
    new.mkdir()
    done = run("run", study)
    assert done.returncode == 73 and own_lines(done) == [f"facet: {new}: is in the way, and cannot be removed: Is a directory"], done.stderr
    assert new.is_dir() and other.read_text() == "kept"
