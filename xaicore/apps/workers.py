"""Worker processes that may die: the results of a function, in order, a bounded number ahead."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from types import ModuleType
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

KILLED = "a worker process died of it twice: it may need more memory than there is"


class WorkersError(RuntimeError):
    """No worker process can be started; the message says what to do."""


def each(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, ahead: int
) -> Generator[tuple[Item, Result | BrokenProcessPool]]:
    """Each item with the function's result, in order; BrokenProcessPool for one that kills its worker.

    When a worker dies, all workers do, and it may be the fault of any item that they had. So each of those is
    tried once more, in a process that has nothing else to do; one that kills that too is given up.

    Args:
        function: it and its items are pickled, so it stands in a module, and not in the caller's script. An
            error that it raises is raised here, and ends it all.
        workers: how many processes; 0 runs the function in this one.
        ahead: how many items are taken before their results are asked for, at least 1.

    Raises:
        WorkersError: the processes die before they do anything.
    """
    if workers == 0:
        yield from ((item, function(item)) for item in items)
        return
    rest, waiting = iter(items), deque[tuple[Item, Future[Result]]]()
    crowd, alone = _Pool(workers), _Pool(1)
    try:
        while True:
            for item in rest:
                waiting.append((item, crowd.submit(function, item)))
                if len(waiting) >= ahead:
                    break
            if not waiting:
                return
            item, future = waiting.popleft()
            try:
                found: Result | BrokenProcessPool = future.result()
            except BrokenProcessPool:
                alone.check()
                try:
                    found = alone.submit(function, item).result()
                except BrokenProcessPool as error:
                    found = error
            yield item, found
    finally:
        crowd.close()
        alone.close()


class _Pool:
    """Processes that start when they are needed, and again when they have died."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, function: Callable[[Item], Result], item: Item) -> Future[Result]:
        with _without_main():
            if self._pool is not None:
                try:
                    return self._pool.submit(function, item)
                except BrokenProcessPool:
                    self.close()
            # forking a process that runs PyTorch's threads may leave the copy waiting for them
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, context, _begin)
            return self._pool.submit(function, item)

    def check(self) -> None:
        """See that a process starts at all."""
        try:
            self.submit(abs, 0).result()
        except BrokenProcessPool:
            try:
                self.submit(abs, 0).result()
            except BrokenProcessPool:
                told = "The worker processes die as they start. Do without them: workers=0."
                raise WorkersError(told) from None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


@contextmanager
def _without_main() -> Iterator[None]:
    """Processes that start meanwhile don't run the caller's script again.

    Python's do, to find functions that are defined there. These need none, and a script that imports PyTorch
    takes seconds, and one that calls this outside of `if __name__ == "__main__":` would begin all over.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin() -> None:
    """Ctrl-C is for the process that started this one; without that one there is nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        # A network's threads wait for one another, so a core that one of them lacks costs all cores. Better
        # to fetch what it will need while it waits for it.
        os.nice(10)
    import cv2

    cv2.setNumThreads(1)  # the other cores have their own photographs


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)  # a pool's processes wait for work for ever, even of one that was killed
