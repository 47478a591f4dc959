"""Reading pictures, and the geometry between a photograph and the network's input."""

import io
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin
from torchvision.models import ResNet50_Weights

from xaicore.pictures.decoding import FORMATS
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
        (np.zeros((2, 5, 5, 3), np.uint8), "predict_many"),
        (np.full((5, 5, 3), np.nan), "NaN"),
        (np.zeros((5, 5, 3), complex), "dtype"),
        (np.zeros((5, 5, 3), object), "dtype"),
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


def test_what_is_not_one_picture_gets_an_error_that_names_the_fix(tmp_path: Path) -> None:
    sources: list[tuple[object, str]] = [
        ([RGB, RGB], "read_image.one. for one in pictures.*predict_many"),
        ((tmp_path / "a.png", tmp_path / "b.png"), "predict_many"),
        ([], "One picture at a time"),
        ([[0, 1], [1, 0]], "np.array"),
        (torch.zeros(2, 3, 5, 5), "predict_many"),
        (torch.zeros(5, 5, 5), "shape"),
        (torch.zeros(3, 5, 5).to_sparse(), "can't become a NumPy array"),
        ({"image": RGB}, "Can't read a picture from a dict"),
        (io.StringIO("text"), "'rb'"),
        ("s3://bucket/photo.jpg", "neither a path nor an address"),
        ("data:image/png;base64," + "A" * 5000, "neither a path nor an address"),
        ("A" * 5000, "can't be read"),
        ("~nobody-of-this-name/photo.jpg", "can't be read"),
    ]
    for source, words in sources:
        with pytest.raises(ImageError, match=words):
            read_image(source)
    (tmp_path / "text").write_text("text")
    with (tmp_path / "text").open() as file, pytest.raises(ImageError, match=r"text gives str.*'rb'"):
        read_image(file)
    with pytest.raises(ImageError, match=r"can't be read.*'rb'"):
        read_image(file)  # closed


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])  # of HEIC the plug-in keeps all bytes
def test_a_closed_picture_is_said_to_be_closed(form: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(saved(Image.fromarray(RGB), form))
    with Image.open(tmp_path / "a") as left:
        pass
    (closed := Image.open(tmp_path / "a")).close()
    file = (tmp_path / "a").open("rb")
    without_file = Image.open(file)
    file.close()
    (plain := Image.fromarray(RGB)).close()
    for one in (left, closed, plain, without_file):
        with pytest.raises(ImageError, match=r"is closed.*inside the `with` block"):
            read_image(one)


def test_what_a_photograph_never_comes_in_is_not_even_opened(tmp_path: Path) -> None:
    """Pillow would hand the program in it to Ghostscript."""
    eps = saved(Image.fromarray(RGB), "EPS")
    path = tmp_path / "photo.jpg"
    path.write_bytes(eps)
    for source in (eps, path, io.BytesIO(eps)):
        with pytest.raises(ImageError, match=r"not a picture in a format of photographs. Save it as JPEG"):
            read_image(source)
    with Image.open(path) as picture, pytest.raises(ImageError, match=r"is EPS.*picture\.convert\('RGB'\)"):
        read_image(picture)
    icon = Image.open(io.BytesIO(saved(Image.fromarray(RGB), "ICO")))
    assert read_image(icon.convert("RGB")).ndim == 3  # decoded by who trusts it
    opened = {"JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF", "JPEG2000", "PPM", "TGA", "PSD"}
    assert set(FORMATS) == opened | {"DIB"}
    Image.init()
    assert set(FORMATS) <= Image.OPEN.keys()


def test_max_pixels_above_pillow_s_limit_says_what_to_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(Image.new("1", (1000, 300)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)  # and Pillow refuses from twice as many
    with pytest.raises(ImageError, match="Make it smaller first"):
        read_image(data)
    with pytest.raises(ImageError, match=r"PIL\.Image\.MAX_IMAGE_PIXELS = max_pixels"):
        read_image(data, max_pixels=200_000_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200_000_000)
    assert read_image(data, max_pixels=200_000_000).shape == (300, 1000, 3)


@pytest.mark.parametrize("dtype", ["u2", "i4", "u4", "f2", "f4", "f8", "u8"])
def test_the_order_of_bytes_plays_no_part(dtype: str) -> None:
    values = RGB.astype(dtype) / (255 if dtype[0] == "f" else 1)
    values = (values * (1 if dtype[0] == "f" else 257)).astype(dtype)
    wanted = read_image(values)
    assert np.array_equal(wanted, RGB)
    assert np.array_equal(read_image(values.astype(">" + dtype)), wanted)
    assert np.array_equal(read_image(values.astype(">" + dtype)[..., 0]), read_image(values[..., 0]))


class Stream(io.RawIOBase):
    """A file that can only be read forwards, as one from the network."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readall(self) -> bytes:
        return self.file.read()


def test_what_other_tools_hand_over() -> None:
    data = saved(Image.fromarray(RGB))
    used = io.BytesIO()
    used.write(data)  # stands at its end
    channels_first = torch.from_numpy(RGB).permute(2, 0, 1)
    sources: list[object] = [
        bytearray(data),
        memoryview(data),
        used,
        Stream(data),
        RGB[None],
        RGB.astype(np.int64),
        RGB / 255,
        (RGB / 255).astype(np.float16),
        channels_first,
        channels_first[None],
        channels_first / 255,
        (channels_first / 255).half(),
        (channels_first / 255).requires_grad_(),
        torch.from_numpy(RGB),
        torch.from_numpy(RGB)[None],
    ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The array has int64 values")
        for source in sources:
            assert np.array_equal(read_image(source), RGB)
    assert np.abs(read_image((channels_first / 255).bfloat16()).astype(int) - RGB).max() <= 1
    grey = np.repeat(RGB[..., :1], 3, axis=2)
    for source in (torch.from_numpy(RGB[..., 0]), torch.from_numpy(RGB[..., 0])[None]):
        assert np.array_equal(read_image(source), grey)


def test_a_decompression_bomb_is_refused_before_it_is_unpacked() -> None:
    """A PNG of 400 million pixels in about 400 kB."""
    bomb = saved(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(bomb) < 1_000_000
    with pytest.raises(ImageError, match=r"too large|max_pixels"):
        read_image(bomb)


# --- ranges of values --------------------------------------------------------------------------------------

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def grey(picture: np.ndarray) -> np.ndarray:
    assert (picture == picture[..., :1]).all()
    return picture[..., 0]


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "f2", "longdouble"])
@pytest.mark.parametrize("beyond", [0, 1e-7, 1e-3])
def test_floats_up_to_one_give_or_take_rounding(dtype: str, beyond: float) -> None:
    values = (RAMP / 255).astype(dtype)
    values[0, 0] -= beyond
    values[-1, -1] += beyond
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(grey(read_image(values)), RAMP)


@pytest.mark.parametrize("dtype", ["uint16", ">u2", "int16", ">i4", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_integers_of_fewer_bits_than_their_type(dtype: str, bits: int) -> None:
    top = 2**bits - 1
    values = np.rint(RAMP / 255 * top).astype(dtype)
    with pytest.warns(UserWarning, match=f"read as {bits}-bit numbers, 0 to {top}.*value_range="):
        assert np.array_equal(grey(read_image(values)), RAMP)


@pytest.mark.parametrize("dtype", ["uint16", ">u2", "int32", ">i4", "int64"])
def test_integers_that_need_16_bits(dtype: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(grey(read_image((RAMP.astype(np.uint16) * 257).astype(dtype))), RAMP)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_floats_beyond_one_say_what_they_are_taken_for(bits: int) -> None:
    top = 2**bits - 1
    with pytest.warns(UserWarning, match=f"read as {bits}-bit"):
        assert np.array_equal(grey(read_image(RAMP.astype(np.float32) / 255 * top)), RAMP)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.linspace(-2.1, 2.6, 25), r"std \+ mean.*value_range="),
        (np.linspace(-1, 1, 25), r"\(-1, 1\)"),
        (np.arange(-5, 20), "no negative ones"),
        (np.linspace(0, 1.2, 25), r"too large for \[0, 1\]"),
        (np.linspace(0, 1e6, 25), "beyond 16 bits"),
        (np.arange(25) * 10_000, "beyond 16 bits"),
        (np.full(25, np.inf), "infinite"),
    ],
)
def test_ranges_that_nothing_tells_are_asked_for(values: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        read_image(values.reshape(5, 5))


def test_value_range_says_what_is_black_and_white(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(grey(read_image(RAMP / 127.5 - 1, value_range=(-1, 1))), RAMP)
        assert np.array_equal(grey(read_image(RAMP.astype(np.uint16), value_range=(0, 255))), RAMP)
        assert grey(read_image(RAMP.astype(np.uint16), value_range=(0, 65535))).max() == 1
        assert grey(read_image(RAMP, value_range=(100, 200)))[0, 0] == 0
        assert grey(read_image(RAMP, value_range=(100, 200)))[-1, -1] == 255
        assert grey(read_image(RAMP, value_range=(0, 510)))[-1, -1] == 128
        path = tmp_path / "twelve.tif"
        Image.fromarray(RAMP.astype(np.uint16) * 16).save(path)
        assert np.abs(grey(read_image(path, value_range=(0, 4080))).astype(int) - RAMP).max() == 0
        assert grey(read_image(saved(Image.fromarray(RAMP)), value_range=(0, 510)))[-1, -1] == 128
    for wrong in ((1, 0), (0, 0), (0, np.nan), (0,), 255, ("a", "b")):
        with pytest.raises(ImageError, match="the lower first"):
            read_image(RAMP, value_range=wrong)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="NaN"):
        read_image(np.full((5, 5), np.nan), value_range=(0, 1))


@settings(max_examples=60, deadline=None)
@given(
    low=st.floats(-1e4, 1e4),
    width=st.floats(1e-2, 1e5),
    values=st.lists(st.floats(-1e5, 1e5), min_size=4, max_size=4),
)
def test_a_value_range_maps_linearly(low: float, width: float, values: list[float]) -> None:
    array = np.array(values).reshape(2, 2)
    expected = np.clip((array - low) / (low + width - low) * 255, 0, 255)
    got = grey(read_image(array, value_range=(low, low + width)))
    assert np.abs(got - expected).max() <= 0.5 + 1e-6


WIDE = [(mode, form) for mode in ("I", "F", "I;16") for form in ("TIFF", "PIL")]


@pytest.mark.parametrize(("mode", "form"), [*WIDE, ("I;16", "PNG")])
@pytest.mark.parametrize("top", [255, 4095])
def test_files_of_wide_greys_are_not_almost_black(mode: str, form: str, top: int) -> None:
    kind = {"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]
    picture = Image.fromarray(np.rint(RAMP / 255 * top).astype(kind))
    assert picture.mode == mode
    source = picture if form == "PIL" else saved(picture, form)
    with pytest.warns(UserWarning, match="bit numbers"):
        got = grey(read_image(source))
    assert np.abs(got.astype(int) - RAMP).max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_tiff_may_count_from_white(dtype: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = (RAMP.astype(np.uint16) * 257).astype(dtype) if dtype == "uint16" else RAMP
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="miniswhite")
    assert np.array_equal(grey(read_image(file)), 255 - RAMP)


def wide_png(values: np.ndarray, colour_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16 bits a channel, by hand: Pillow can't write it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def exif(orientation: int) -> bytes:
    found = Image.Exif()
    found[0x0112] = orientation
    return found.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_colours_keep_all_bits(orientation: int) -> None:
    """Pillow reads the upper 8 of them: a picture of 12 bits would be almost black."""
    tifffile = pytest.importorskip("tifffile")
    twelve = RGB.astype(np.uint16) * 16
    upright = read_image(saved(Image.fromarray(RGB), exif=b"Exif\0\0" + exif(orientation)))
    tiffs = []
    for options in ({}, {"compression": "zlib"}, {"byteorder": ">"}):
        file = io.BytesIO()
        tag = (274, "H", 1, orientation, True)
        tifffile.imwrite(file, twelve, photometric="rgb", extratags=[tag], **options)
        tiffs.append(file.getvalue())
    for data in (wide_png(twelve, 2, (b"eXIf", exif(orientation))), *tiffs):
        assert np.array_equal(read_image(data, value_range=(0, 4080)), upright)
        with pytest.warns(UserWarning, match="12-bit"):
            assert np.abs(read_image(data).astype(int) - upright).max() <= 1


def test_16_bit_colours_of_all_kinds() -> None:
    wide = RGB.astype(np.uint16) * 257
    assert np.array_equal(read_image(wide_png(wide, 2)), RGB)
    clear = np.full((*wide.shape[:2], 1), 65535, np.uint16)
    clear[:10] = 0
    laid = RGB.copy()
    laid[:10] = 255
    assert np.array_equal(read_image(wide_png(np.concatenate([wide, clear], 2), 6)), laid)
    laid = np.repeat(laid[..., :1], 3, axis=2)
    assert np.array_equal(read_image(wide_png(np.concatenate([wide[..., :1], clear], 2), 4)), laid)
    ok, data = cv2.imencode(".tiff", wide[..., ::-1])
    assert ok and np.array_equal(read_image(data.tobytes()), RGB)
    with pytest.raises(ImageError, match="damaged or cut short"):
        read_image(wide_png(wide, 2)[:-400])
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    tifffile.imwrite(file, wide.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    with pytest.raises(ImageError, match="plane by plane"):
        read_image(file)


def test_a_large_photograph_is_never_held_as_floats() -> None:
    photo = np.zeros((1500, 2000, 3), np.uint8)
    photo[::2] = 200
    data = saved(Image.fromarray(photo), "JPEG")
    wide = photo.astype(np.uint16) * 257
    tracemalloc.start()
    for source in (data, photo, wide, wide.astype(np.float32) / 65535):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        read_image(source)
        assert tracemalloc.get_traced_memory()[1] - before < 3.5 * photo.size + 3e7
    tracemalloc.stop()


# --- colours -----------------------------------------------------------------------------------------------


def matrix_profile(
    red: tuple[float, ...], green: tuple[float, ...], blue: tuple[float, ...], gamma: float | None
) -> bytes:
    """An ICC profile of a screen with these primaries (XYZ at D50), and sRGB's curve or a plain power."""
    s15 = lambda number: struct.pack(">i", round(number * 65536))  # noqa: E731
    xyz = lambda numbers: b"XYZ \0\0\0\0" + b"".join(map(s15, numbers))  # noqa: E731
    text = b"mluc\0\0\0\0" + struct.pack(">II", 1, 12) + b"enUS" + struct.pack(">II", 2, 28) + b"\0x"
    numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045) if gamma is None else (gamma,)
    curve = b"para\0\0\0\0" + struct.pack(">HH", 3 if gamma is None else 0, 0) + b"".join(map(s15, numbers))
    tags = [(b"desc", text), (b"cprt", text), (b"wtpt", xyz((0.9642, 1, 0.8249)))]
    tags += [(b"rXYZ", xyz(red)), (b"gXYZ", xyz(green)), (b"bXYZ", xyz(blue))]
    tags += [(b"rTRC", curve), (b"gTRC", curve), (b"bTRC", curve)]
    start, body, table = 132 + 12 * len(tags), b"", struct.pack(">I", len(tags))
    for key, data in tags:
        body += b"\0" * (-len(body) % 4)
        table += key + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(">I", start + len(body)) + b"\0\0\0\0" + struct.pack(">I", 0x04000000)
    head += b"mntrRGB XYZ " + b"\0" * 12 + b"acsp" + b"\0" * 28 + s15(0.9642) + s15(1) + s15(0.8249)
    return head + b"\0" * 48 + table + body


P3 = matrix_profile(
    (0.515102, 0.241182, -0.00105), (0.291965, 0.692236, 0.041882), (0.157153, 0.066582, 0.784378), None
)
ADOBE = matrix_profile(
    (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 2.19921875
)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
COLOURS = np.array([[[220, 60, 50], [60, 200, 80], [240, 200, 40], [128, 128, 128]]], np.uint8).repeat(4, 0)


def heic(picture: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file, quality=-1, **options)
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG", "HEIC", "PIL", "AVIF"])
@pytest.mark.parametrize("profile", [P3, ADOBE])
def test_a_colour_profile_is_applied(form: str, profile: bytes) -> None:
    picture = Image.fromarray(COLOURS.repeat(8, 0).repeat(8, 1))
    picture.info["icc_profile"] = profile
    wide = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    expected = np.asarray(ImageCms.profileToProfile(picture, wide, ImageCms.createProfile("sRGB")))
    assert np.abs(expected - np.asarray(picture).astype(int)).max() > 20
    if form == "HEIC":
        source: object = heic(picture)
    else:
        options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(form, {})
        if form == "AVIF":
            options = {"quality": 100, "subsampling": "4:4:4"}
        source = picture if form == "PIL" else saved(picture, form, icc_profile=profile, **options)
    got = read_image(source)
    if form in ("PNG", "TIFF", "WEBP", "PIL"):
        assert np.array_equal(got, expected)
    centres = (slice(4, None, 8), slice(4, None, 8))
    assert np.abs(got[centres].astype(int) - expected[centres]).max() <= 8  # what the form loses
    red = got[4, 4].astype(int)
    assert np.abs(red - expected[4, 4]).max() < np.abs(red - COLOURS[0, 0]).max()


def test_profiles_of_other_modes() -> None:
    srgb = ImageCms.createProfile("sRGB")
    wide = ImageCms.ImageCmsProfile(io.BytesIO(P3))
    flat = Image.fromarray(COLOURS)
    expected = np.asarray(ImageCms.profileToProfile(flat, wide, srgb))
    clear = flat.convert("RGBA")
    clear.putpixel((0, 0), (220, 60, 50, 0))
    got = read_image(saved(clear, icc_profile=P3))
    assert (got[0, 0] == 255).all()
    assert np.array_equal(got[1:], expected[1:])
    palette = flat.convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.abs(read_image(saved(palette, icc_profile=P3)).astype(int) - expected).max() <= 2
    wide_numbers = wide_png(COLOURS.astype(np.uint16) * 257, 2, (b"iCCP", b"p\0\0" + zlib.compress(P3)))
    assert np.array_equal(read_image(wide_numbers), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a grey picture may have a screen's profile: greys stay grey
        assert np.array_equal(grey(read_image(saved(Image.fromarray(RAMP), icc_profile=P3))), RAMP)
    lab = ImageCms.applyTransform(
        flat, ImageCms.buildTransform(srgb, ImageCms.createProfile("LAB"), "RGB", "LAB")
    )
    assert lab is not None
    for source in (lab, saved(lab, "TIFF")):
        assert np.abs(read_image(source).astype(int) - COLOURS).max() <= 4


def ink_profile() -> bytes:
    """An ICC profile of a printer: cyan, magenta, yellow and black ink as Lab at the corners of a table."""
    inks = {(1, 0, 0, 0): (140, 91, 78), (0, 1, 0, 0): (122, 202, 125), (0, 0, 1, 0): (227, 123, 221)}
    table = bytearray()
    for corner in np.ndindex(2, 2, 2, 2):
        table += bytes(inks.get(corner, (255, 128, 128) if not any(corner) else (40, 128, 128)))
    ramp = bytes(range(256))
    one, none = struct.pack(">i", 65536), bytes(4)
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + one + none * 3 + one + none * 3 + one
    lut += ramp * 4 + table + ramp * 3
    start = 132 + 12
    head = struct.pack(">I", start + len(lut)) + bytes(4) + struct.pack(">I", 0x02400000) + b"prtrCMYKLab "
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    return head + struct.pack(">I", 1) + b"A2B0" + struct.pack(">II", start, len(lut)) + lut


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_an_ink_profile_is_applied(form: str) -> None:
    picture = Image.new("CMYK", (16, 16))
    for at, ink in enumerate([(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255)]):
        picture.paste(ink, (0, 4 * at, 16, 4 * at + 4))
    ink_to_srgb = ImageCms.ImageCmsProfile(io.BytesIO(ink_profile()))
    expected = np.asarray(
        ImageCms.profileToProfile(picture, ink_to_srgb, ImageCms.createProfile("sRGB"), outputMode="RGB")
    )
    assert np.abs(expected.astype(int) - np.asarray(picture.convert("RGB"))).max() > 30
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    got = read_image(saved(picture, form, icc_profile=ink_profile(), **options))
    assert np.abs(got.astype(int) - expected).max() <= 12 * (form == "JPEG")


def grey_profile(gamma: float) -> bytes:
    curve = b"para\0\0\0\0" + struct.pack(">HHi", 0, 0, round(gamma * 65536))
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(n * 65536) for n in (0.9642, 1, 0.8249)))
    start = 132 + 12 * 2
    table = struct.pack(">I", 2) + b"wtpt" + struct.pack(">II", start, 20)
    table += b"kTRC" + struct.pack(">II", start + 20, 16)
    head = struct.pack(">I", start + 36) + b"\0\0\0\0" + struct.pack(">I", 0x04000000)
    head += b"mntrGRAYXYZ " + b"\0" * 12 + b"acsp" + b"\0" * 28 + white[8:] + b"\0" * 48
    return head + table + white + curve


def test_a_grey_profile_is_applied() -> None:
    """Linear light: 128 of 255 is half the light, which is sRGB's 188."""
    linear = grey_profile(1)
    picture = Image.new("L", (8, 8), 128)
    for source in (saved(picture, icc_profile=linear), saved(picture, "TIFF", icc_profile=linear)):
        assert np.abs(grey(read_image(source)).astype(int) - 188).max() <= 1
    wide = Image.fromarray(np.full((8, 8), 128 * 257, np.uint16))
    assert np.abs(grey(read_image(saved(wide, "TIFF", icc_profile=linear))).astype(int) - 188).max() <= 1


def test_srgb_profiles_change_no_number() -> None:
    with Image.open(sample_path("chelsea")) as picture:
        assert "icc_profile" in picture.info
        assert np.array_equal(read_image(picture), np.asarray(picture.convert("RGB")))
    assert np.array_equal(read_image(saved(Image.fromarray(RGB), icc_profile=SRGB)), RGB)


@pytest.mark.parametrize(
    ("mode", "profile"),
    [("RGB", b"no profile"), ("RGB", P3[:200]), ("RGB", grey_profile(1)), ("CMYK", P3), ("L", b"x" * 128)],
)
def test_a_profile_that_does_not_fit_is_ignored_with_a_word(mode: str, profile: bytes) -> None:
    picture = Image.fromarray(RGB).convert(mode)
    with pytest.warns(UserWarning, match="colour profile can't be used"):
        got = read_image(saved(picture, "TIFF", icc_profile=profile))
    assert np.array_equal(got, np.asarray(picture.convert("RGB")))


# --- arrays of all kinds ---

DTYPES = [
    "?",
    "u1",
    "i1",
    "<u2",
    ">u2",
    ">i4",
    "u4",
    "<i8",
    "u8",
    "f2",
    ">f4",
    "f8",
    "g",
    "c8",
    "M8[s]",
    "S3",
    "O",
]


@settings(max_examples=200, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(0, 5), max_size=5).map(tuple)
    | st.sampled_from([(3, 4, 3), (1, 5, 4, 4), (4, 4)]),
    data=st.binary(min_size=16, max_size=64),
    value_range=st.none() | st.tuples(st.floats(), st.floats()),
)
def test_any_array_is_a_picture_or_an_image_error(
    dtype: str, shape: tuple[int, ...], data: bytes, value_range: tuple[float, float] | None
) -> None:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if dtype == "O":
        array = np.full(shape, "text", dtype=object)
    else:
        array = np.frombuffer((data * (size // len(data) + 1))[:size], dtype).reshape(shape)
    before = array.tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            photo = read_image(array, value_range=value_range)
        except ImageError as error:
            assert str(error)
        else:
            assert photo.dtype == np.uint8 and photo.ndim == 3 and photo.shape[2] == 3
            assert not np.shares_memory(photo, array)
    assert array.tobytes() == before


# --- files of all kinds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "HEIC"])
def test_the_formats_of_phones_and_pages(form: str, tmp_path: Path) -> None:
    picture = Image.new("RGB", (64, 48), (200, 30, 40))
    data = heic(picture) if form == "HEIC" else saved(picture, form)
    path = tmp_path / f"IMG_0001.{form}"
    path.write_bytes(data)
    for source in (data, path, io.BytesIO(data)):
        got = read_image(source)
        assert got.shape == (48, 64, 3)
        assert np.abs(got.astype(int) - (200, 30, 40)).max() <= 4
    with pytest.raises(ImageError, match=r"damaged or cut short|not a picture"):
        read_image(data[: len(data) // 2])


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "HEIC", "TIFF", "PNG", "JPEG"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_orientation_is_applied_once_in_every_format(form: str, orientation: int) -> None:
    stored = Image.new("RGB", (64, 32), "black")
    stored.paste("white", (0, 0, 32, 16))
    found = Image.Exif()
    found[0x0112] = orientation
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
    upright = stored.transpose(turn[orientation]) if orientation in turn else stored
    data = heic(stored, exif=found.tobytes()) if form == "HEIC" else saved(stored, form, exif=found)
    got = read_image(data)
    assert got.shape == np.asarray(upright).shape
    assert (np.abs(got.astype(int) - np.asarray(upright)) < 100).mean() > 0.98


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_used_and_that_is_said(form: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    path = tmp_path / f"moving.{form.lower()}"
    frames[0].save(path, form, save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=r"moving\.\w+ has 3 frames or pages; the first is used") as told:
        got = read_image(path)
    assert [warning.filename for warning in told] == [__file__]
    assert np.abs(got.astype(int) - (255, 0, 0)).max() <= 4


def test_a_camera_previews_are_not_frames() -> None:
    data = saved(Image.fromarray(RGB), "MPO", save_all=True, append_images=[Image.fromarray(RGB)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(data).shape == RGB.shape


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("late", [True, False])
def test_a_png_with_long_texts_is_read(zipped: bool, late: bool) -> None:
    """Programs that make pictures keep the whole recipe in them."""
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * 3_000_000, zip=zipped)
    info.add_itxt("prompt", "ä" * 3_000_000, zip=zipped)
    data = saved(Image.fromarray(RGB), pnginfo=info)
    if late:  # texts may also follow the picture
        start, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
        data = data[:33] + data[start:end] + data[33:start] + data[end:]
    assert np.array_equal(read_image(data), RGB)
    found = Image.Exif()
    found[0x0112] = 6
    assert read_image(saved(Image.fromarray(RGB), pnginfo=info, exif=found)).shape == (30, 20, 3)


def test_odd_exif_is_ignored() -> None:
    data = saved(Image.fromarray(RGB), "JPEG", quality=100)
    plain = read_image(data)
    for odd in (
        b"Exif\0\0nonsense",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x05\0\0\0\x01\0\0\0\x1a\0\0\0\0\0\0\0\0\0\0\0\0",
    ):
        segment = b"\xff\xe1" + struct.pack(">H", len(odd) + 2) + odd
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert np.array_equal(read_image(data[:2] + segment + data[2:]), plain)


@settings(max_examples=150, deadline=None)
@given(
    form=st.sampled_from(
        ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP", "PPM", "HEIC", "AVIF", "JPEG2000", "TGA"]
    ),
    at=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4),
    byte=st.integers(0, 255),
    length=st.floats(0.2, 1),
)
def test_a_damaged_file_gives_a_picture_or_an_image_error(
    form: str, at: list[float], byte: int, length: float
) -> None:
    picture = Image.fromarray(RGB)
    data = bytearray(heic(picture) if form == "HEIC" else saved(picture, form))
    for place in at:
        data[int(place * min(len(data), 200))] = byte
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert read_image(bytes(data[: int(length * len(data))]), max_pixels=1_000_000).ndim == 3
        except ImageError as error:
            assert "the bytes given" in str(error)


class Failing:
    """Passes for one of Pillow's methods or properties, and fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __get__(self, picture: object, of: type) -> object:
        if picture is None:  # monkeypatch asks for what stood there
            return self
        raise self.error


def test_what_pillow_throws_beside_the_pixels_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(Image.fromarray(RGB))
    for error in (struct.error("odd"), SyntaxError("odd"), KeyError("odd"), ZeroDivisionError(), OSError()):
        monkeypatch.setattr(PngImagePlugin.PngImageFile, "n_frames", Failing(error), raising=False)
        monkeypatch.setattr(PngImagePlugin.PngImageFile, "getexif", Failing(error))
        assert np.array_equal(read_image(data), RGB)


def test_what_pillow_throws_at_the_pixels_is_this_picture_s_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(Image.fromarray(RGB), "TIFF")
    for error in (struct.error("odd"), SyntaxError("odd"), KeyError("odd"), ZeroDivisionError(), OSError()):
        monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", Failing(error))
        with pytest.raises(ImageError, match="the bytes given is damaged or cut short"):
            read_image(data)
    bomb = Image.DecompressionBombError("more than the header said")
    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", Failing(bomb))
    with pytest.raises(ImageError, match="too large to open safely"):
        read_image(data)
    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", Failing(MemoryError()))
    with pytest.raises(MemoryError):  # which says nothing of the file
        read_image(data)


def test_wide_colours_that_opencv_refuses_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    data = cv2.imencode(".png", RGB.astype(np.uint16) * 257)[1].tobytes()
    assert np.array_equal(read_image(data), RGB[..., ::-1])

    def refuse(*_: object) -> None:
        raise cv2.error("no")

    for answer in (refuse, lambda *_: None):
        monkeypatch.setattr(cv2, "imdecode", answer)
        with pytest.raises(ImageError, match="16-bit colours that can't be read"):
            read_image(data)


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "holiday.png"
    path.write_bytes(saved(Image.fromarray(RGB))[:-300])
    with pytest.raises(ImageError, match=r"holiday\.png is damaged"):
        read_image(path)
    with Image.open(path) as picture, pytest.raises(ImageError, match=r"holiday\.png is damaged"):
        read_image(picture)


# --- samples -----------------------------------------------------------------------------------------------


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
        edge = min(expected, geometry.input_size[axis] - 1 - expected) < (half + 1) * geometry.scale[axis] + 3
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


@pytest.mark.parametrize("shape", [(3, 5000), (5000, 3), (2, 20_000), (20_000, 2), (2000, 20)])
def test_a_thin_strip_never_asks_for_gigabytes(shape: tuple[int, int]) -> None:
    photo = np.zeros((*shape, 3), np.uint8)
    photo[shape[0] // 2 :, shape[1] // 2 :] = 255
    with pytest.raises(ImageError, match=r"too long a strip.*Crop the picture first.*'squash'.*'pad'"):
        fit(photo, "full")
    for mode in ("crop", "squash", "pad"):
        picture, geometry = fit(photo, mode, fill=(0, 0, 0))  # type: ignore[arg-type]
        assert picture.shape == (224, 224, 3)
        assert geometry.photo_size == shape
    middle = fit(photo, "crop")[0]
    assert (middle[0, 0] == 0).all() and (middle[-1, -1] == 255).all()


@pytest.mark.parametrize("shape", [(2, 700), (600, 5), (40, 3000), (9, 100)])
def test_a_strip_made_in_part_is_the_strip_made_whole(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    whole, where = fit(photo, "crop")
    monkeypatch.setattr("xaicore.pictures.geometry.MOST_PIXELS", 1)
    part, there = fit(photo, "crop")
    assert there == where
    assert np.abs(part.astype(int) - whole).max() <= 1


def test_panoramas_are_seen_in_full() -> None:
    assert fit(np.zeros((100, 800, 3), np.uint8), "full")[0].shape == (224, 1792, 3)
    with pytest.raises(ImageError, match="too long a strip"):
        fit(np.zeros((100, 900, 3), np.uint8), "full")


def test_a_picture_whose_head_promises_other_sides_is_damaged():
    """Found by fuzzing TIFF files: Pillow raises a SystemError only when the pixels are asked for."""
    picture = Image.new("RGB", (8, 8))
    picture._size = (16, 16)
    with pytest.raises(ImageError, match="sides are not those"):
        read_image(picture)


def test_a_picture_without_its_palette_is_damaged():
    """Found by fuzzing PNG files: Pillow has an AssertionError without words, and only at the conversion."""
    data = saved(Image.new("P", (8, 8)))
    at = data.index(b"PLTE") - 4
    without = data[:at] + data[at + 12 + int.from_bytes(data[at : at + 4], "big") :]
    for source in (without, Image.open(io.BytesIO(without))):
        with pytest.raises(ImageError, match="palette with its colours is missing"):
            read_image(source)


@pytest.mark.parametrize(
    ("error", "words"),
    [(AssertionError(), "AssertionError"), (KeyError(273), "273"), (SystemError("tile"), "tile")],
)
def test_whatever_a_decoder_raises_late_is_damage(monkeypatch, error, words):
    """Pillow's errors are of every kind, and some come only when the colours are converted."""

    def fail(self):
        raise error

    monkeypatch.setattr(Image.Image, "has_transparency_data", property(fail))
    with pytest.raises(ImageError, match=rf"the bytes given is damaged or cut short \({words}\)"):
        read_image(saved(Image.new("RGB", (8, 8))))


@pytest.mark.filterwarnings("error")
def test_a_caller_who_makes_errors_of_warnings_gets_the_warning():
    picture = Image.new("RGB", (8, 8))
    with pytest.raises(UserWarning, match="colour profile can't be used"):
        read_image(saved(picture, icc_profile=b"none"))
