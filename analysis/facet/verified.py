"""Whether a result file holds its checksums: the program `facet verify` is asked, which is the one that knows how they are
made."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess

from facet.errors import BAD_INPUT, NOT_THERE, StudyError
from facet.library import places

FOUND = ("not hold", "are others")  # how the program's last line ends when it has looked


@dataclasses.dataclass(frozen=True)
class Verified:
    """What was found: true where all holds. `lines` say what was looked at, and what does not hold."""

    holds: bool
    lines: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.holds

    def __repr__(self) -> str:
        return "\n".join((f"<facet.Verified: {'holds' if self.holds else 'does not hold'}>", *self.lines))


def program() -> str | None:
    """The program `facet`: FACET_PROGRAM names it; or it lies where the library may (build/ of the checkout), in bin/ of the
    tree that has the package, or on the PATH. None: it is nowhere."""
    named = os.environ.get("FACET_PROGRAM")
    if named:
        return named
    for path in places(pathlib.Path(__file__).resolve().parent):
        for found in (path.parent / "facet", path.parent.parent / "bin" / "facet"):
            if found.is_file() and os.access(found, os.X_OK):
                return str(found)
    return shutil.which("facet")


def verify(path: str, tiles: int = 0, seed: int | None = None, data: str | os.PathLike[str] | None = None) -> Verified:
    """Asks the program. StudyError, status 69, where there is none; and what it says where it could not look."""
    facet = program()
    if facet is None:
        raise StudyError(f"{path}: cannot be verified: there is no program facet; FACET_PROGRAM may say where it is", NOT_THERE)
    words = [facet, "verify", path]
    words += ["--tiles", str(tiles)] if tiles else []
    words += ["--seed", str(seed)] if seed is not None else []
    words += ["--data", os.fspath(data)] if data is not None else []
    ours = ("OMPI_", "PMIX_", "PMI_")  # Python itself may be a rank, which the program is not
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours) or name.startswith("OMPI_MCA_")}
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", env=environment, check=False)
    except OSError as error:
        raise StudyError(f"{path}: cannot be verified: {facet}: {error.strerror}", NOT_THERE) from error
    said = [line for line in (done.stdout + done.stderr).splitlines() if line]
    found = done.returncode == BAD_INPUT and said and said[-1].endswith(FOUND)
    if done.returncode != 0 and not found:
        raise StudyError(said[-1].removeprefix("facet: ") if said else f"{facet}: ended with {done.returncode}", done.returncode)
    return Verified(done.returncode == 0, tuple(said))
