"""What only the book needs: claims, outlines of objects, measured results."""

from xaicore.book.claims import Claim, ClaimError, claim
from xaicore.book.outlines import (
    Outline,
    drawing_agreement,
    object_mask,
    object_outlines,
    record,
    redrawn,
)

__all__ = [
    "Claim",
    "ClaimError",
    "Outline",
    "claim",
    "drawing_agreement",
    "object_mask",
    "object_outlines",
    "record",
    "redrawn",
]
