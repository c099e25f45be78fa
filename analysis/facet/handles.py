"""What the library hands out, shared by threads: a network, which is only read, and its executors, each of which belongs to
one thread at a time. All of it goes when the owner is closed or collected, and nobody is at work with it any more."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from facet.errors import NetworkError
from facet.library import ExecutorOptions, Library

KEPT = 8  # executors that wait for the next call, of all sizes together


class Handles:
    """A network and its executors. `network` and `executor` lend them, for as long as a `with` lasts."""

    def __init__(self, library: Library, network: ctypes.c_void_p, name: str) -> None:
        self.library, self.name = library, name
        self._network = network
        self._waiting: list[tuple[tuple[int, ...], ctypes.c_void_p]] = []  # the one that was used last comes last
        self._borrowed, self._closed = 0, False
        self._lock = threading.RLock()  # the collector may call close() wherever it likes

    @contextmanager
    def network(self) -> Iterator[ctypes.c_void_p]:
        with self._lock:
            if self._closed:
                raise NetworkError(f"{self.name}: the network is closed")
            self._borrowed += 1
        try:
            yield self._network
        finally:
            with self._lock:
                self._borrowed -= 1
                self._destroy_if_done()

    @contextmanager
    def executor(self, options: ExecutorOptions) -> Iterator[ctypes.c_void_p]:
        key = (options.kernels or 0, options.real, options.batch, options.rows)
        with self.network() as network:
            executor = self._take(key) or self._make(network, options)
            try:
                yield executor
            finally:
                self._give_back(key, executor)

    def _make(self, network: ctypes.c_void_p, options: ExecutorOptions) -> ctypes.c_void_p:
        executor = ctypes.c_void_p()
        self.library.executor_create(network, options, ctypes.byref(executor))
        return executor

    def _take(self, key: tuple[int, ...]) -> ctypes.c_void_p | None:
        with self._lock:
            for i in reversed(range(len(self._waiting))):
                if self._waiting[i][0] == key:
                    return self._waiting.pop(i)[1]
        return None

    def _give_back(self, key: tuple[int, ...], executor: ctypes.c_void_p) -> None:
        with self._lock:
            self._waiting.append((key, executor))
            spare = [self._waiting.pop(0)[1] for _ in range(len(self._waiting) - KEPT)]
        for executor in spare:
            self.library.executor_destroy(ctypes.byref(executor))

    def close(self) -> None:
        """At once, or as soon as the last thread is done."""
        with self._lock:
            self._closed = True
            self._destroy_if_done()

    def _destroy_if_done(self) -> None:
        if not self._closed or self._borrowed:
            return
        while self._waiting:
            self.library.executor_destroy(ctypes.byref(self._waiting.pop()[1]))
        self.library.network_destroy(ctypes.byref(self._network))  # which nulls it: a second time does nothing
