"""Reading pictures, and the geometry between a photograph and the network's input."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.models import ResNet50_Weights

from xaicore.pictures.geometry import fit
from xaicore.pictures.reading import ImageError, read_image
from xaicore.pictures.samples import SAMPLES, mosaic, sample_image, sample_path

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def saved(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def test_every_kind_of_source_gives_the_same_picture(tmp_path: Path) -> None:
    data = saved(Image.fromarray(RGB))
    path = tmp_path / "picture with spaces.png"
    path.write_bytes(data)
    for source in (RGB, data, io.BytesIO(data), path, str(path), Image.fromarray(RGB)):
        assert np.array_equal(read_image(source), RGB)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    grey = Image.fromarray(RGB[..., 0])
    if mode in ("I;16", "I"):
        picture = Image.fromarray(RGB[..., 0].astype(np.uint16) * 257)
        picture = picture if mode == "I;16" else picture.convert("I")
    elif mode == "F":
        picture = Image.fromarray(RGB[..., 0] / np.float32(255))
    else:
        picture = (grey if mode in ("1", "L", "LA") else Image.fromarray(RGB)).convert(mode)
    result = read_image(picture)
    assert result.shape == (20, 30, 3)
    assert result.dtype == np.uint8
    if mode not in ("1", "P", "CMYK", "YCbCr"):  # those lose something by themselves
        expected = RGB if mode.startswith("RGB") else np.repeat(RGB[..., :1], 3, axis=2)
        assert np.abs(result.astype(int) - expected).max() <= 1


def test_cmyk_and_16_bit_files(tmp_path: Path) -> None:
    red = Image.new("RGB", (8, 8), (255, 0, 0)).convert("CMYK")
    assert np.allclose(read_image(saved(red, "JPEG", quality=95)), (255, 0, 0), atol=8)
    wide = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    path = tmp_path / "wide.png"
    Image.fromarray(wide).save(path)
    assert np.allclose(read_image(path)[..., 0], wide / 257, atol=0.51)


def test_transparency_is_laid_on_white() -> None:
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:2, :, 3] = 255  # the upper half is opaque black
    for source in (clear, saved(Image.fromarray(clear))):
        result = read_image(source)
        assert (result[:2] == 0).all()
        assert (result[2:] == 255).all()
    palette = Image.fromarray(RGB).convert("P")
    assert (read_image(saved(palette, transparency=palette.getpixel((0, 0))))[0, 0] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.new("RGB", (40, 20), "black")
    upright.paste("white", (0, 0, 20, 10))  # white in the upper left quarter
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    assert np.array_equal(read_image(saved(stored, exif=exif)), np.array(upright))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((0, 5, 3), np.uint8), "each side needs at least 2"),
        (np.zeros((1, 1, 3), np.uint8), "each side needs at least 2"),
        (np.zeros((3, 20, 30), np.uint8), "transpose"),
        (np.zeros((5, 5, 2), np.uint8), "shape"),
        (np.zeros(5, np.uint8), "shape"),
        (np.zeros((2, 5, 5, 3), np.uint8), "shape"),
        (np.full((5, 5, 3), np.nan), "NaN"),
        (np.full((5, 5, 3), 200.0), "Divide by 255"),
        (np.zeros((5, 5, 3), np.int64), "astype"),
        (np.zeros((5, 5, 3), complex), "dtype"),
    ],
)
def test_bad_arrays_get_an_error_that_names_the_fix(array: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        read_image(array)


def test_bad_files_get_an_error_that_names_the_fix(tmp_path: Path) -> None:
    whole = saved(Image.fromarray(np.tile(RGB, (9, 9, 1))), "JPEG")
    with pytest.raises(ImageError, match="cut short"):
        read_image(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="not a picture"):
        read_image(b"certainly no picture")
    with pytest.raises(ImageError, match="not a picture"):
        read_image(b"")
    with pytest.raises(FileNotFoundError, match="Check the path"):
        read_image(tmp_path / "missing.jpg")
    with pytest.raises(ImageError, match="folder"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="Give a path"):
        read_image(3.14)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="max_pixels"):
        read_image(saved(Image.fromarray(RGB)), max_pixels=599)
    with pytest.raises(ImageError, match="each side"):
        read_image(saved(Image.new("L", (1, 1))))


def test_a_decompression_bomb_is_refused_before_it_is_unpacked() -> None:
    """A PNG of 400 million pixels in about 400 kB."""
    bomb = saved(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(bomb) < 1_000_000
    with pytest.raises(ImageError, match=r"too large|max_pixels"):
        read_image(bomb)


def test_every_sample_photograph_is_there() -> None:
    labelled = [s for s in SAMPLES.values() if s.label is not None]
    assert len(labelled) == 20
    for name, sample in SAMPLES.items():
        assert sample_path(name).exists()
        assert sample.source
        assert sample.licence
        if sample.label is not None:
            assert sample.file.endswith(f"_{sample.label}.jpg")
        assert min(sample_image(name).shape[:2]) >= 300
    with pytest.raises(KeyError, match="bull_mastiff"):
        sample_image("no such photograph")


def test_mosaic() -> None:
    black, white = np.zeros((10, 20, 3), np.uint8), np.full((30, 10, 3), 255, np.uint8)
    grid = mosaic([black, white, white, black], columns=2, cell=8)
    assert grid.shape == (16, 16, 3)
    assert grid[0, 0, 0] == grid[15, 15, 0] == 0
    assert grid[0, 15, 0] == grid[15, 0, 0] == 255
    with pytest.raises(ImageError, match="don't fill"):
        mosaic([black, white, white], columns=2)


# --- geometry --------------------------------------------------------------------------------------------

sides = st.integers(2, 700)


@pytest.mark.parametrize("weights", [ResNet50_Weights.IMAGENET1K_V1, ResNet50_Weights.IMAGENET1K_V2])
@settings(max_examples=25, deadline=None)
@given(height=sides, width=sides)
def test_crop_is_torchvisions_own(weights: ResNet50_Weights, height: int, width: int) -> None:
    from xaicore.networks.gap import Preprocessing

    image = np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    preprocessing = Preprocessing.of(weights)
    ours = preprocessing.normalise(preprocessing.fit(image)[0])
    theirs = weights.transforms()(Image.fromarray(image))
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max()) < 1e-5


@pytest.mark.parametrize("mode", ["crop", "squash", "full", "pad"])
@settings(max_examples=40, deadline=None)
@given(height=st.integers(16, 400), width=st.integers(16, 400), row=st.floats(0, 1), column=st.floats(0, 1))
def test_a_pixel_of_the_photo_lands_where_the_geometry_says(
    mode: str, height: int, width: int, row: float, column: float
) -> None:
    """Paint a square on the photo; its centre of mass in the input must be where positions() puts it."""
    if max(height, width) > 4 * min(height, width):
        return
    half = max(1, min(height, width) // 8)
    y, x = (int(half + f * (n - 2 * half - 1e-9)) for f, n in ((row, height), (column, width)))
    photo = np.zeros((height, width, 3), np.uint8)
    photo[y - half : y + half + 1, x - half : x + half + 1] = 255
    picture, geometry = fit(photo, mode, fill=(0, 0, 0))  # type: ignore[arg-type]
    assert picture.shape[:2] == geometry.input_size
    whole = geometry.seen()[y - half : y + half + 1, x - half : x + half + 1]
    box = photo[..., 0].nonzero()
    if not whole.all() or len(box[0]) != (2 * half + 1) ** 2:
        return  # partly cropped away: its centre of mass is another
    for axis, centre in ((0, y), (1, x)):
        weight = picture[..., 0].astype(float).sum(axis=1 - axis)
        found = (weight * np.arange(len(weight))).sum() / weight.sum()
        expected = geometry.positions(axis)[centre]
        edge = min(expected, geometry.input_size[axis] - 1 - expected) < half * geometry.scale[axis] + 3
        assert abs(found - expected) < (3.0 if edge else 0.25)


def test_what_each_mode_sees() -> None:
    photo = np.zeros((300, 600, 3), np.uint8)
    seen = {mode: fit(photo, mode)[1].seen() for mode in ("crop", "squash", "full", "pad")}  # type: ignore[arg-type]
    assert seen["squash"].all()
    assert seen["full"].all()
    assert seen["pad"].all()
    # 300 × 600 → 256 × 512; the central 224² of it are 262.5² pixels of the photo.
    rows, columns = seen["crop"].any(axis=1), seen["crop"].any(axis=0)
    assert abs(rows.sum() - 262.5) <= 1
    assert abs(columns.sum() - 262.5) <= 1
    assert fit(photo, "full")[0].shape == (224, 448, 3)
    for high, wide in ((451, 300), (300, 451), (700, 333)):
        assert {side % 32 for side in fit(np.zeros((high, wide, 3), np.uint8), "full")[0].shape[:2]} == {0}
    assert fit(np.zeros((2, 3, 3), np.uint8), "crop")[0].shape == (224, 224, 3)
    with pytest.raises(ValueError, match="crop, squash, full, pad"):
        fit(photo, "stretch")  # type: ignore[arg-type]
