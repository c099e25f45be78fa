"""Words of captions and labels: what is left out, what bars mean, names cut to fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from facet.findings import has_failed, living
from facet.hdf import Array
from facet.plot.choice import seeds

if TYPE_CHECKING:
    from facet.study import Study


def count(number: float) -> str:
    """10000 -> 10 000, with spaces that do not break."""
    return f"{number:,}".replace(",", "\u202f")


def spoken(corruption: str) -> str:
    return corruption.replace("_", " ")


def short(name: str, most: int, keep_end: bool = False) -> str:
    """A name cut to fit, its dollar signs escaped: they would start a formula."""
    if len(name) > most:
        name = "…" + name[1 - most:] if keep_end else name[:most - 1] + "…"
    return name.replace("$", r"\$")


def class_name(study: Study, cls: int, most: int = 22) -> str:
    return short(study.classes[cls] if 0 <= cls < len(study.classes) else "no label", most)


def typeset(text: str) -> str:
    """A number that Python has written, as it is printed: −1.5, ∞, – where there is none, and no sign of what rounds to 0."""
    return (text.lstrip("+-") if float(text) == 0 else "–" if "nan" in text else text).replace("-", "−").replace("inf", "∞")


def signed(value: float, digits: int = 2, plus: bool = True) -> str:
    """+1.50, −1.50, 0.00: with so many digits behind the point; plus: whether a plus is written."""
    return typeset(f"{value:{'+' if plus else ''}.{digits}f}")


def left_out(shown: Sequence[str], all_of: Iterable[str], what: str, most: int = 6, study: Study | None = None) -> str:
    """What a picture does not show: how many, and by name if they are few; of a study's variants, which have failed."""
    every = list(all_of)
    gone = [name for name in every if study and name not in shown and has_failed(study, name)]
    rest = [name for name in every if name not in shown and name not in gone]
    names = f"; left out: {', '.join(rest)}" if rest and len(rest) <= most else ""
    names += f"; failed: {', '.join(gone[:most])}{' and more' if len(gone) > most else ''}" if gone else ""
    return f" Shown: {len(shown)} of {len(every)} {what}{names}." if rest or gone else ""


def gates_note(study: Study, variants: Iterable[str]) -> str:
    """A sentence on the W of these variants, where some are frozen at each sample and W is no Jacobian."""
    names = list(dict.fromkeys(variants))
    frozen = [name for name in names if study.gates_of(name)]
    said = study.gates_of(frozen[0]) if frozen else ""
    return f" {said[0].upper()}{said[1:]}{'' if len(frozen) == len(names) else ', of ' + ', '.join(frozen)}." if said else ""


def one_seed(study: Study, what: str = "") -> str:
    """Which of replicates stands for them."""
    return f" Of replicates the first seed{what} is shown.{failed_seeds(study, study.replicates)}" if seeds(study) > 1 else ""


def failed_seeds(study: Study, names: Iterable[str]) -> str:
    """Of which of these groups of replicates some have failed, where those are left out."""
    some = any(len(living(study, name)) < len(study.replicates[name]) for name in names)
    return " Seeds that have failed are left out." if some else ""


def bars_note(study: Study) -> str:
    """What the error bars are."""
    sizes = sorted({len(living(study, name)) for name in study.replicates} - {1})
    if not sizes:
        return ""
    return f" Means over {' or '.join(map(str, sizes))} seeds; bars: one standard deviation.{failed_seeds(study, study.replicates)}"


def infinite_note(margins: dict[str, Array]) -> str:
    """What becomes of infinite margins, {variant: N}, where there are any."""
    share = {v: np.isinf(margin).mean() for v, margin in margins.items()}
    worst = max(share, key=lambda variant: share[variant])
    return (f" Margins are infinite where pruning leaves two classes the same direction: for up to {100 * share[worst]:.0f} % of "
            f"the samples ({worst}), which lie outside of the picture.") if share[worst] else ""


def grey_note(study: Study) -> str:
    return " Channels are summed." if study.shape[0] > 1 and not study.flat else ""
