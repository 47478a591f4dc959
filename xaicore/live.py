"""Whether a person may be looking: what is alive in a notebook shows only to somebody who is there."""

from __future__ import annotations

import os
import sys

STATIC = "XAICORE_STATIC"  # set in the environment: outputs are kept for pages that no kernel stands behind


def somebody_is_there() -> bool:
    """Whether a person may be looking at what this kernel shows.

    False in a script, and where the environment variable ``XAICORE_STATIC`` is set, as it is when this book
    runs and checks its own notebooks. A program that runs a notebook may show it to people, as Voilà does, or
    keep it for them, as papermill does; that can't be told apart here, so both get what is alive.
    """
    if "google.colab" in sys.modules:
        return True
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel") and not os.environ.get(STATIC)


def somebody_watches() -> bool:
    """Whether messages go to a terminal: a bar that moves is for somebody who watches, not for a log."""
    return sys.stderr is not None and sys.stderr.isatty()
