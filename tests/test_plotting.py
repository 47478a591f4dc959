"""Figures: the arrays behind them say what they should, and each figure can be drawn."""

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from xaicore import Prediction, heat_map, secam
from xaicore.show.figures import show_images, show_maps, show_regions
from xaicore.show.painting import DIVERGING, cut_out, mark_boundaries, overlay
from xaicore.show.style import as_svg, use_book_style

PHOTO = np.full((40, 60, 3), 128, np.uint8)


def test_overlay_shows_sign_size_and_what_was_never_seen() -> None:
    heat = np.zeros((40, 60))
    heat[:10], heat[10:20], heat[30:] = 2.0, -2.0, np.nan
    picture = overlay(PHOTO, heat).astype(int)
    positive, negative, zero = picture[5, 5], picture[15, 5], picture[25, 5]
    assert positive[0] > positive[2] + 50, "evidence for is red"
    assert negative[2] > negative[0] + 50, "evidence against is blue"
    assert len(set(zero)) == 1, "no evidence leaves the photograph grey"
    assert len(np.unique(picture[30:].reshape(-1, 3), axis=0)) == 2, "never seen is striped"
    faint = overlay(PHOTO, heat, limit=20).astype(int)[5, 5]
    assert 0 < faint[0] - faint[2] < positive[0] - positive[2]
    stripes = np.tile(np.array([0, 255], np.uint8)[:, None, None], (20, 60, 3))
    contrast = np.ptp(overlay(stripes, heat, limit=20).astype(int)[4:6, 5, 0])
    assert contrast > 2 * np.ptp(overlay(stripes, heat).astype(int)[4:6, 5, 0]), "weak evidence hides nothing"
    assert np.isfinite(overlay(PHOTO, np.zeros((40, 60)))).all()
    with pytest.raises(ValueError, match="on_photo"):
        overlay(PHOTO, np.zeros((7, 7)))


def test_half_the_evidence_has_half_the_tint() -> None:
    """Overlay and colour bar go the same way from bare to full colour: evenly."""
    value = np.linspace(-1, 1, 201)
    white = np.full((2, len(value), 3), 255, np.uint8)
    laid = overlay(white, np.tile(value, (2, 1)), limit=1, opacity=1).astype(float)[0]
    bar = 255 * DIVERGING(0.5 + value / 2)[:, :3]
    for colours in (laid, bar):
        bare = colours[100]
        for side, full in ((slice(0, 100), colours[0]), (slice(101, 201), colours[-1])):
            way = (bare - colours[side])[:, 1] / (bare - full)[1]
            assert np.abs(way - np.abs(value[side])).max() < 0.02


def test_boundaries_and_cut_out_leave_the_original_alone() -> None:
    labels = np.zeros((40, 60), int)
    labels[:, 30:] = 1
    drawn = mark_boundaries(PHOTO, labels)
    assert (drawn[:, 29:31] == (255, 220, 0)).all()
    assert (drawn[:, :28] == 128).all()
    kept = cut_out(PHOTO, labels == 1)
    assert (kept[:, 30:] == 128).all()
    assert (kept[:, :30] > 200).all()
    assert (PHOTO == 128).all()


def test_figures_can_be_drawn(chelsea: Prediction) -> None:
    use_book_style()
    heat = heat_map(chelsea)
    result = secam(chelsea, segments=30)
    grid = show_images([PHOTO, heat.values, PHOTO, PHOTO], ["a", "b\nc", "d", "e"])
    assert sum(bool(axis.images) for axis in grid.axes) == 4
    maps = show_maps(chelsea.image, [heat, -heat.values], ["for", "against"], photo=True)
    assert [axis.get_title() for axis in maps.axes[:3]] == ["photograph", "for", "against"]
    assert "units" in maps.axes[-1].get_xlabel()
    regions = result.regions(top=3)
    shown = show_regions(result, regions)
    assert shown.axes[3].get_title().startswith("3 regions")
    svg = as_svg(shown)
    assert svg.data.startswith("<svg")
    assert not plt.fignum_exists(shown.number)
    plt.close("all")
