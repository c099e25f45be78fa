"""What takes long is said on the way, as the program says it: on stderr, after two seconds without a word (FACET_SILENCE in the
environment; 0: at once), and every twenty after that (ten times FACET_SILENCE). Outside of a command nothing is said."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType
from typing import Self

FIRST, AGAIN, OFTENER = 2.0, 20.0, 10.0  # seconds


class Phases:
    """with Phases("report"): of a command; what it is at is told by `now`."""

    current: Phases | None = None

    def __init__(self, command: str) -> None:
        silence = os.environ.get("FACET_SILENCE")
        try:
            self.first = float(silence) if silence else FIRST
        except ValueError:
            self.first = 0.0  # as the program reads it
        self.again = OFTENER * self.first if silence and self.first > 0 else AGAIN
        self.command, self.what, self.begun, self.said = command, "", time.monotonic(), False
        self._changed, self._over = threading.Condition(), False
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        Phases.current = self
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        Phases.current = None
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join()

    def begin(self, what: str) -> None:
        with self._changed:
            self.what, self.begun, self.said = what, time.monotonic(), False
            if self.first <= 0 and what:
                self._say()
            self._changed.notify()

    def _say(self) -> None:
        after = f", {time.monotonic() - self.begun:.0f} s" if self.said else " ..."
        print(f"facet {self.command}: {self.what}{after}", file=sys.stderr, flush=True)
        self.said = True

    def _watch(self) -> None:
        with self._changed:
            while not self._over:
                begun = self.begun
                self._changed.wait(self.again if self.said else max(self.first, 0.01))
                if not self._over and self.what and self.begun == begun:  # a long phase, not a new one
                    self._say()


def now(what: str) -> None:
    """What goes on from here; nothing: what says for itself how far it is."""
    if Phases.current:
        Phases.current.begin(what)


def still(what: str) -> None:
    """The same, further on: what is said of it from here."""
    if Phases.current:
        Phases.current.what = what
