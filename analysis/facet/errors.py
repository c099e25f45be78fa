"""What can be wrong, in one line, with the exit status that says so; and what may have been meant by an unknown name."""

import difflib
import operator
from collections.abc import Iterable, Sequence

USAGE, BAD_INPUT, NO_INPUT, NOT_THERE, CANNOT_CREATE, IO = 64, 65, 66, 69, 73, 74  # sysexits, as in the program


class FacetError(Exception):
    """What is wrong, in one line; `status` is the exit status of a command that ends with it."""

    def __init__(self, message: str, status: int = BAD_INPUT) -> None:
        super().__init__(message)
        self.status = status


class StudyError(FacetError):
    """A result file that is missing, damaged or not finished, or a question that it has no answer to."""


class NetworkError(FacetError):
    """What the library refuses: a file, an input, a choice; or there is no library."""


class MaskError(FacetError):
    """Masks, networks and state dicts that do not fit together."""


def known(what: str, name: object, names: Iterable[object], most: int = 12) -> str:
    """What is said of a name that is none of `names`: "no variant is called dens: did you mean dense? There are: ..."."""
    every = [str(n) for n in names]
    lower = {n.lower(): n for n in every}
    near = [lower[n] for n in difflib.get_close_matches(str(name).lower(), list(lower), n=1, cutoff=0.6)]
    near = near or [n for n in every if name and str(name).lower() in n.lower()][:1]
    meant = f": did you mean {near[0]}? There" if near else "; there"
    listed = ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
    return f"no {what} is called {name}{meant} are: {listed or 'none'}"


def number_of(what: str, asked: str | int, names: Sequence[str]) -> int:
    """The number of one of `names`, asked for by its name or its number; StudyError where there is none of it."""
    if isinstance(asked, str):
        if asked not in names:
            raise StudyError(known(what, asked, names))
        return names.index(asked)
    try:
        number = operator.index(asked)
    except TypeError as error:
        raise StudyError(f"a {what} is a name or a whole number, not {asked!r}") from error
    if not 0 <= number < len(names):
        raise StudyError(f"no {what} {asked}; there are 0 to {len(names) - 1}")
    return number
