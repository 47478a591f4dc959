"""Blocks of a large picture's pixels, and smaller pictures made of their means."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.models import ResNet50_Weights

from xaicore.networks.gap import Preprocessing
from xaicore.pictures.blocks import LEAST, cell_of, nearest, sums, within
from xaicore.pictures.geometry import fit
from xaicore.pictures.samples import sample_image
from xaicore.pictures.shrinking import block_means, reduced

sides = st.integers(1, 300)


@given(height=sides, width=sides, pixels=st.integers(1, 20_000))
def test_a_working_size_keeps_the_proportions(height: int, width: int, pixels: int) -> None:
    h, w = size = within((height, width), pixels)
    assert 1 <= h <= height and 1 <= w <= width
    if height * width <= pixels:
        assert size == (height, width)
        return
    factor = (pixels / (height * width)) ** 0.5
    if min(height, width) * factor >= LEAST:
        assert abs(h - height * factor) <= 0.5 and abs(w - width * factor) <= 0.5
    else:
        assert min(size) <= min(height, width, LEAST) and h * w <= max(pixels, LEAST)


@given(side=sides, data=st.data())
def test_a_cell_is_the_one_under_a_pixels_centre(side: int, data: st.DataObject) -> None:
    cells = data.draw(st.integers(1, side))
    found = cell_of(side, cells)
    assert (found == np.floor((np.arange(side) + 0.5) * cells / side + 1e-9)).all()
    assert (np.diff(found) >= 0).all() and set(found) == set(range(cells)), "each has a pixel"


@given(side=sides, data=st.data())
def test_sums_over_blocks_written_out(side: int, data: st.DataObject) -> None:
    cells = data.draw(st.integers(1, side))
    values = np.random.default_rng(side).integers(0, 9, (side, 2))
    expected = [values[cell_of(side, cells) == i].sum(axis=0) for i in range(cells)]
    assert (sums(values, cells) == expected).all()
    np.testing.assert_allclose(sums(values / 3, cells), np.array(expected) / 3)
    assert sums(values > 4, cells).dtype == (bool if cells == side else np.int64), "counted, not or-ed"


def test_an_array_at_its_own_size_stays() -> None:
    values = np.zeros((3, 4))
    assert nearest(values, (3, 4)) is values and sums(values, 3) is values


# --- smaller pictures ------------------------------------------------------------------------------------


@settings(deadline=None)
@given(height=st.integers(4, 60), width=st.integers(4, 60), k=st.integers(2, 4))
def test_means_over_blocks_have_the_edges_too(height: int, width: int, k: int) -> None:
    image = np.random.default_rng(height * 100 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = block_means(image, k)
    assert found.shape == (-(-height // k), -(-width // k), 3)
    for row in range(found.shape[0]):
        for column in range(found.shape[1]):
            block = image[row * k : (row + 1) * k, column * k : (column + 1) * k]
            assert np.abs(found[row, column] - block.mean(axis=(0, 1))).max() <= 0.51, (row, column)


def test_a_reduced_picture_is_of_means() -> None:
    image = np.zeros((1200, 900, 3), np.uint8)
    image[:600] = 200
    small = reduced(image, (4, 3))
    assert (small[:2] == 200).all() and (small[2:] == 0).all()
    assert reduced(image, (1200, 900)) is image
    chelsea = np.asarray(Image.fromarray(sample_image("chelsea")).resize((1804, 1200)))
    wanted = np.asarray(Image.fromarray(chelsea).resize((171, 114), Image.Resampling.BOX)).astype(int)
    assert np.abs(reduced(chelsea, (114, 171)) - wanted).mean() < 1


@pytest.mark.parametrize("size", [(1537, 2048), (2048, 1537), (3000, 4000), (1600, 1601)])
def test_a_large_photograph_is_fitted_as_torchvision_does(size: tuple[int, int]) -> None:
    """Within 4 of 255 levels at the worst pixel of a photograph, and within 10 on noise, which is harder."""
    weights = ResNet50_Weights.IMAGENET1K_V1
    preprocessing = Preprocessing.of(weights)
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    photo = np.asarray(Image.fromarray(sample_image("coffee")).resize(size[::-1], Image.Resampling.BICUBIC))
    for image, most in ((photo, 4.01), (noise, 10)):
        ours = preprocessing.normalise(preprocessing.fit(image)[0])
        theirs = weights.transforms()(Image.fromarray(image))
        levels = (ours - theirs).abs() * 255 * torch.tensor(preprocessing.std).view(3, 1, 1)
        assert float(levels.max()) < most, levels.max()


def test_pillows_nearest_stays_pillows() -> None:
    image = np.random.default_rng(1).integers(0, 256, (2000, 2000, 3), dtype=np.uint8)
    found, _ = fit(image, "squash", interpolation=Image.Resampling.NEAREST)
    wanted = Image.fromarray(image).resize((224, 224), Image.Resampling.NEAREST)
    assert np.array_equal(found, np.asarray(wanted))
