"""Fetching files: the error that says why one could not be had, and a download that never hangs."""

from __future__ import annotations

import threading
from pathlib import Path

import pooch
from tqdm.auto import tqdm

STALL_SECONDS = 30.0  # a download that has not moved for so long is given up


class FetchError(RuntimeError):
    """One source of weights could not be had; the message says why."""


REACH_SECONDS = 4.0  # a host that has not answered by then counts as unreachable


def download(url: str, file: Path, progress: bool) -> None:
    """Write what is at ``url`` into ``file``; FetchError or OSError if the host is dead or stalls."""
    check_reachable(url)
    name, patience = url.rsplit("/", 1)[-1], (REACH_SECONDS, STALL_SECONDS)
    # The total of 1 is a placeholder until pooch knows the size: it takes an empty bar for no bar at all.
    with tqdm(total=1, unit="B", unit_scale=True, desc=name, disable=not progress) as bar:
        pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 18, timeout=patience)(url, str(file), None)


def check_reachable(url: str) -> None:
    """Raise within REACH_SECONDS if ``url`` does not answer.

    A request's own time-out covers neither the look-up of the name nor a host with many dead addresses, so a
    thread asks, and is left behind when time is up.
    """
    answer: list[bool | OSError] = []

    def ask() -> None:
        try:
            answer.append(pooch.HTTPDownloader(timeout=REACH_SECONDS)(url, None, None, check_only=True))
        except OSError as error:  # requests' errors are all OSErrors
            answer.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REACH_SECONDS)
    if not answer:
        raise FetchError(f"{url} can't be reached (no answer in {REACH_SECONDS:g} s)")
    if isinstance(answer[0], OSError):
        raise FetchError(f"{url} can't be reached ({type(answer[0]).__name__})")
    if not answer[0]:
        raise FetchError(f"the server does not offer {url}")
