"""What only the book needs: claims, outlines of objects, measured results."""

from xaicore.book.claims import Claim, ClaimError, claim
from xaicore.book.outlines import Outline, agreement, object_mask, outlines, record, redrawn

__all__ = [
    "Claim",
    "ClaimError",
    "Outline",
    "agreement",
    "claim",
    "object_mask",
    "outlines",
    "record",
    "redrawn",
]
