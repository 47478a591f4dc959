"""Figures, tables and words: what a reader sees of a map."""

from xaicore.show.explained import describe, draw, render, same_units, snippet, table
from xaicore.show.figures import add_colour_bar, show_images, show_maps, show_secam
from xaicore.show.painting import AGAINST, DIVERGING, FOR, cut_out, outlines, overlay
from xaicore.show.style import as_svg, use_book_style

__all__ = [
    "AGAINST",
    "DIVERGING",
    "FOR",
    "add_colour_bar",
    "as_svg",
    "cut_out",
    "describe",
    "draw",
    "outlines",
    "overlay",
    "render",
    "same_units",
    "show_images",
    "show_maps",
    "show_secam",
    "snippet",
    "table",
    "use_book_style",
]
