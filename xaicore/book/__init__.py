"""What only the book needs: claims and their words, outlines of objects, measured results."""

from xaicore.book.claims import Claim, ClaimError, claim
from xaicore.book.outlines import (
    Outline,
    drawing_agreement,
    object_mask,
    object_outlines,
    record,
    redrawn,
)
from xaicore.book.words import counts, listed, percent, verdict

__all__ = [
    "Claim",
    "ClaimError",
    "Outline",
    "claim",
    "counts",
    "drawing_agreement",
    "listed",
    "object_mask",
    "object_outlines",
    "percent",
    "record",
    "redrawn",
    "verdict",
]
