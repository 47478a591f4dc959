"""Figures, tables and words: what a reader sees of a map."""

from xaicore.show.explained import describe, draw, render, same_units, table
from xaicore.show.figures import add_colour_bar, show_images, show_maps, show_regions
from xaicore.show.painting import AGAINST, DIVERGING, FOR, cut_out, mark_boundaries, overlay
from xaicore.show.records import record, snippet
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
    "mark_boundaries",
    "overlay",
    "record",
    "render",
    "same_units",
    "show_images",
    "show_maps",
    "show_regions",
    "snippet",
    "table",
    "use_book_style",
]
