"""Whether a person may be looking: what is alive in a notebook shows only to somebody who is there."""

from __future__ import annotations

import sys
from typing import Any


def somebody_is_there() -> bool:
    """Whether a person may be looking at this notebook: False under nbval, nbclient, or in a script.

    A front end that shows a notebook says with each request whether it can answer `input()`; a program that
    only runs the cells says that it can't.
    """
    if "google.colab" in sys.modules:
        return True
    from IPython import get_ipython

    parent: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)()
    return bool(parent.get("content", {}).get("allow_stdin", False))
