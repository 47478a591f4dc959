"""A playground in the page: maps recomputed in the reader's browser, without a kernel."""

from xaicore.playground.codes import Quantised, agreement_bound, dequantise, error_bound, quantise
from xaicore.playground.page import Playground, PlaygroundButton, playground
from xaicore.playground.views import SHOWN_PIXELS, as_seen

__all__ = [
    "SHOWN_PIXELS",
    "Playground",
    "PlaygroundButton",
    "Quantised",
    "agreement_bound",
    "as_seen",
    "dequantise",
    "error_bound",
    "playground",
    "quantise",
]
