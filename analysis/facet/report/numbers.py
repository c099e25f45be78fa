"""Numbers as the report writes them."""

import numpy as np

from facet.plot.words import typeset


def percent(value: float, digits: int = 2) -> str:
    return f"{100 * value:.{digits}f} %" if np.isfinite(value) else "–"


def spread(value: float, error: float, form: str = ".2f") -> str:
    """88.95 ± 0.10; the deviation where there is one."""
    if np.isnan(value):
        return "–"
    return typeset(f"{value:{form}}") + (f" ± {error:{form.lstrip('+')}}" if np.isfinite(error) else "")


def small(value: float, behind: int = 1) -> str:
    """8.0e-07 -> 8.0 × 10⁻⁷"""
    if value == 0 or not np.isfinite(value):
        return "not a number" if np.isnan(value) else typeset(f"{value:.0f}")
    digits, power = f"{value:.{behind}e}".split("e")
    return f"{typeset(digits)}\u202f×\u202f10{str(int(power)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def rounded(value: float, digits: int | None = None) -> str:
    """With so many digits behind the point, or three in all; – where there is none."""
    text = f"{value:.3g}" if digits is None else f"{value:.{digits}f}"
    return small(value, 2) if "e" in text else typeset(text)


def metric(number: float) -> str:
    """12345678 -> 12.3 M"""
    if not np.isfinite(number):
        return "–"
    power = min(max(int(np.log10(max(number, 1)) // 3), 0), 4)
    return f"{number / 1000 ** power:.3g}" + ("", "\u202fk", "\u202fM", "\u202fG", "\u202fT")[power]
