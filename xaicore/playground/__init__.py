"""A playground in the page: CAM and SeCAM recomputed in the reader's browser, without a kernel."""

from xaicore.playground.page import SHOWN_PIXELS, START, Playground, PlaygroundButton, as_seen, playground
from xaicore.playground.quantise import Quantised, dequantise, error_bound, quantise

__all__ = [
    "SHOWN_PIXELS",
    "START",
    "Playground",
    "PlaygroundButton",
    "Quantised",
    "as_seen",
    "dequantise",
    "error_bound",
    "playground",
    "quantise",
]
