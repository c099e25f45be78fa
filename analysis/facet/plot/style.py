"""One look for all pictures: every variant has one colour and one marker everywhere. Families of variants (one recipe,
several sparsities) share a hue of the Okabe-Ito palette, safe for colour-blind readers; the sparser, the darker.
Replicates, which differ in their seeds alone, look alike: they are drawn as one, by their mean and deviation, or by the
first of them.

Pictures are made without pyplot and inside a style of their own: nothing of a user's matplotlib is changed."""

from __future__ import annotations

import base64
import functools
import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from facet.hdf import Array
from facet.plot.choice import family, removed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from facet.study import Study

WIDTH = 7.2  # inches: two columns of a journal page
HUES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
DENSE, GREY, LIGHT = "#1a1a1a", "#666666", "#d9d9d9"
MARKERS = "osD^v<>hp*"  # none that an error bar could be taken for
SIGNED = "RdBu_r"  # red adds, blue takes away
PLUS, MINUS = "#b2182b", "#2166ac"

STYLE: dict[Any, Any] = {
    "font.size": 8, "axes.labelsize": 8, "axes.titlesize": 8.5, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5, "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.7, "xtick.major.width": 0.7, "ytick.major.width": 0.7, "xtick.major.size": 3,
    "ytick.major.size": 3, "lines.linewidth": 1.4, "lines.markersize": 4.5, "axes.titlelocation": "left",
    "figure.dpi": 100, "savefig.dpi": 200, "pdf.fonttype": 42,
    "figure.facecolor": "white", "hatch.linewidth": 0.45, "axes.axisbelow": True, "image.interpolation": "nearest",
}


P = ParamSpec("P")
R = TypeVar("R")


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Runs a function in the style of all pictures: matplotlib's defaults and STYLE, whatever the user has set."""

    @functools.wraps(function)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            return function(*arguments, **options)

    return run


class Picture(Figure):
    """A figure of matplotlib with a `caption` that says how to read it. A notebook shows it; `save` writes it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(layout="constrained", **options)
        FigureCanvasAgg(self)
        self.caption = ""

    def says(self, caption: str) -> Picture:
        """Itself, with its caption."""
        self.caption = caption
        return self

    @styled
    def draw(self, renderer: Any) -> None:  # ticks are made here
        super().draw(renderer)

    @styled
    def savefig(self, fname: Any, **options: Any) -> None:
        super().savefig(fname, **options)

    @styled
    def settle(self) -> None:
        """Finds the places of everything once and keeps them: before each file is written, matplotlib draws all to find them."""
        engine = self.get_layout_engine()
        if engine is not None:
            self.set_dpi(matplotlib.rcParams["savefig.dpi"])
            engine.execute(self)
            self.set_layout_engine(None)

    def png(self) -> bytes:
        """As a PNG of 200 dots an inch."""
        page = io.BytesIO()
        self.savefig(page, format="png", metadata={"Software": None})
        return page.getvalue()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it, as what the name ends with: .png, .pdf, .svg."""
        dated = {"CreationDate": None, "Creator": None, "Producer": None} if os.fspath(path).endswith(".pdf") else None
        self.savefig(path, metadata=dated)

    def _repr_png_(self) -> bytes:
        return self.png()

    def _repr_html_(self) -> str:
        import html

        data = base64.b64encode(self.png()).decode()
        return (f'<figure><img width="{round(100 * self.get_size_inches()[0])}" src="data:image/png;base64,{data}">'
                f"<figcaption>{html.escape(self.caption)}</figcaption></figure>")


def picture(rows: int = 1, columns: int = 1, *, figsize: tuple[float, float], **options: Any) -> tuple[Picture, Any]:
    """A picture and its axes: one, or an array of them."""
    figure = Picture(figsize=figsize)
    return figure, figure.subplots(rows, columns, **options)


def color_bar(figure: Picture, image: Any, label: str, **options: Any) -> None:
    """Beside the panels, without a frame."""
    bar: Any = figure.colorbar(image, **options)
    bar.set_label(label)
    bar.outline.set_visible(False)


# Paul Tol's muted scheme, safe for colour-blind readers, and black; beside it every class has its number.
CLASSES = ["#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499", "#222222"]
NAMED = 20  # classes that have their names and numbers written


def palette(count: int) -> list[tuple[float, float, float]]:
    """Colours for so many classes: ten, which repeat, the next ten lighter."""
    colors = [to_rgb(color) for color in CLASSES]
    lighter = [((red + 1) / 2, (green + 1) / 2, (blue + 1) / 2) for red, green, blue in colors]
    return colors + lighter if count > len(colors) else colors


def mark(cls: int) -> str:
    """What stands for a class where its colour alone would: its number, as a marker."""
    return f"$\\mathbf{{{cls}}}$"


def numbered(axis: Axes, place: Any, cls: int, color: Any, label: str | None, rim: bool = True) -> None:
    """The number of a class in a white circle; without a rim, what is below shines through."""
    axis.plot(*place, "o", color="white", markeredgecolor=color if rim else "none", alpha=1 if rim else 0.8, markersize=9, zorder=3)
    axis.plot(*place, marker=mark(cls), linestyle="", color=color, markeredgewidth=0, markersize=5, zorder=4, label=label)


def thumbnail(image: Array, scale: float, width: int = 56) -> str:
    """An image, channel x y x x, as HTML. scale: the pixel value that is white; where it says nothing, being 1 or less, 0 to 1 are black
    and white, or what is beyond."""
    from matplotlib.image import imsave

    pixels = np.moveaxis(image.astype(float), 0, -1)
    black, white = (0.0, scale) if scale > 1 else (min(0.0, pixels.min()), max(1.0, pixels.max()))
    pixels = (pixels - black) / (white - black)
    pixels = np.clip(pixels if pixels.shape[-1] == 3 else pixels.mean(axis=-1), 0, 1)
    page = io.BytesIO()
    imsave(page, pixels, format="png", cmap="gray", vmin=0, vmax=1)
    data = base64.b64encode(page.getvalue()).decode()
    return f'<img width="{width}" style="image-rendering: pixelated" src="data:image/png;base64,{data}">'


def mix(color: Any, other: Any, share: float) -> tuple[float, ...]:
    """A colour, with a share of another."""
    return tuple((1 - share) * a + share * b for a, b in zip(to_rgb(color), to_rgb(other)))


class Look:
    """Colour and marker of every variant of a study."""

    def __init__(self, study: Study) -> None:
        members: dict[str, list[str]] = {}
        for name in study.replicates:
            members.setdefault(family(name), []).append(name)
        members.pop("dense", None)
        self.families = members  # {family: [name of replicates, ...]}, least pruned first
        self.color: dict[str, Any] = {"dense": DENSE}
        self.marker = {"dense": "o"}
        self.hue: dict[str, str] = {}
        for number, (name, names) in enumerate(members.items()):
            hue = self.hue[name] = HUES[number % len(HUES)]
            names.sort(key=lambda group: (removed(study, group), group))
            for rank, group in enumerate(names):
                place = 2 * rank / (len(names) - 1) - 1 if len(names) > 1 else 0  # -1 least pruned, 1 most
                for variant in (group, *study.replicates[group]):
                    self.color[variant] = mix(hue, "white" if place < 0 else "black", (0.5 if place < 0 else 0.4) * abs(place))
                    self.marker[variant] = MARKERS[(number + 1) % len(MARKERS)]

    def line(self, variant: str) -> dict[str, Any]:
        """Options of a line of this variant."""
        return {"color": self.color[variant], "marker": self.marker[variant], "markeredgecolor": "white",
                "markeredgewidth": 0.5, "linewidth": 2 if variant == "dense" else 1.4,
                "zorder": 4 if variant == "dense" else 3}


def legend(figure: Picture, handles: Any, labels: Any, columns: int = 4) -> None:
    """Below the panels."""
    figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(labels)), handlelength=1.8,
                  columnspacing=1.6)
