"""From the bytes of a picture file, or a picture that Pillow opened, to an array."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, UnidentifiedImageError

from xaicore.pictures.colours import to_srgb
from xaicore.pictures.values import Array, ImageError, Photo, ValueRange, tell, to_bytes

MIN_SIDE = 2
MAX_PIXELS = 100_000_000
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What photographs come in. Pillow opens more, some by starting another program: EPS by Ghostscript.
FORMATS = (
    "JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "HEIF", "AVIF", "JPEG2000", "PPM", "TGA", "PSD",
)  # fmt: skip
# Their other "frames" are layers, or what a camera keeps beside the photograph.
ONE_PICTURE = ("MPO", "PSD")
PNG = b"\x89PNG\r\n\x1a\n"
METADATA = (b"XML:com.adobe.xmp", b"Raw profile type exif", b"Raw profile type APP1")

pillow_heif.register_heif_opener()


def decode(
    data: bytes, name: str, max_pixels: int = MAX_PIXELS, value_range: ValueRange | None = None
) -> Photo:
    """The picture in the bytes of a file, (H, W, 3) uint8 RGB; `name` stands in messages.

    Arguments and errors as for :func:`xaicore.pictures.reading.read_image`.
    """
    try:
        # Pillow only warns between one and two times its own limit; ours is checked before any decoding.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(_without_texts(data)), formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageError(
            f"{name} is not a picture in a format of photographs. Save it as JPEG or PNG."
        ) from None
    except Image.DecompressionBombError as error:
        raise _too_large_for_pillow(name, error, max_pixels) from None
    except Exception as error:  # each of Pillow's formats fails in its own way
        raise _damaged(name, error) from None
    with picture, _refused_if_it_fails(name):
        _check_size(picture, name, max_pixels)
        _tell_of_frames(picture, name)
        if not _has_wide_colours(picture, data):
            return from_pillow(picture, name, max_pixels, value_range)
        _load(picture, name)
        if getattr(picture, "tag_v2", {}).get(ExifTags.Base.PlanarConfiguration) == 2:
            raise ImageError(
                f"{name} keeps its 16-bit colours plane by plane. Save it with 8 bits a channel, or as PNG."
            )
        values = to_bytes(_wide_colours(data, name), name, value_range)
        narrow = _with_metadata(Image.fromarray(values), picture)
        return _finished(narrow, 1 if picture.format == "TIFF" else _orientation(picture), name)


def from_pillow(
    picture: Image.Image,
    name: str,
    max_pixels: int = MAX_PIXELS,
    value_range: ValueRange | None = None,
) -> Photo:
    """A picture of Pillow's, its current frame, as (H, W, 3) uint8 RGB; it may be decoded only now.

    Arguments and errors as for :func:`xaicore.pictures.reading.read_image`.
    """
    if picture.format not in (None, "MPO", *FORMATS):  # Pillow opens MPO as a JPEG
        raise ImageError(
            f"{name} is {picture.format}, which is no format of photographs. If you trust it, decode it "
            "yourself: read_image(picture.convert('RGB'))."
        )
    with _refused_if_it_fails(name):
        _check_size(picture, name, max_pixels)
        _load(picture, name)
        orientation = _orientation(picture)
        if picture.mode.startswith(("I", "F")):
            grey = to_bytes(np.asarray(picture), name, value_range)
            if getattr(picture, "tag_v2", {}).get(ExifTags.Base.PhotometricInterpretation) == 0:
                grey = 255 - grey  # 0 is white, which Pillow heeds with 8 bits only
            return _finished(_with_metadata(Image.fromarray(grey), picture), orientation, name)
        photo = _finished(picture, orientation, name)
        return photo if value_range is None else to_bytes(photo, name, value_range)


def check_side(height: int, width: int, name: str) -> None:
    """Raise ImageError for a side under 2 pixels."""
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"{name} has {width} × {height} pixels; each side needs at least {MIN_SIDE}. Use a larger one."
        )


@contextlib.contextmanager
def _refused_if_it_fails(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises at a damaged file into an ImageError, also after its pixels were read."""
    try:
        yield
    except (ImageError, MemoryError, Warning):
        raise
    except Exception as error:
        raise _damaged(name, error) from None


def _check_size(picture: Image.Image, name: str, max_pixels: int) -> None:
    width, height = picture.size
    check_side(height, width, name)
    if width * height > max_pixels:
        raise ImageError(
            f"{name} has {width} × {height} pixels, more than max_pixels={max_pixels:,}. "
            "Make it smaller first, or raise max_pixels if you trust the file."
        )


def _load(picture: Image.Image, name: str) -> None:
    closed = _is_closed(picture)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture.load()
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large_for_pillow(name, error) from None
    except Exception as error:
        if closed or "closed image" in str(error):
            raise ImageError(
                f"{name} is closed, and its pixels were not read before. Call read_image inside the `with` "
                "block that opens it, or picture.load() there."
            ) from None
        raise _damaged(name, error) from None
    if picture.im is None or picture.im.size != picture.size:  # its head promises other sides
        raise _damaged(name, ValueError("its sides are not those of its pixels"))
    if picture.mode in ("P", "PA") and picture.palette is None:
        raise _damaged(name, ValueError("the palette with its colours is missing"))


def _is_closed(picture: Image.Image) -> bool:
    """Whether a picture's file was closed before its pixels were read."""
    file = getattr(picture, "fp", None)
    return bool(getattr(picture, "tile", ())) and (file is None or getattr(file, "closed", False))


def _finished(picture: Image.Image, orientation: int, name: str) -> Photo:
    colours = to_srgb(picture, name)
    turn = UPRIGHT.get(orientation)
    return np.array(colours if turn is None else colours.transpose(turn))


def _with_metadata(picture: Image.Image, source: Image.Image) -> Image.Image:
    picture.info = {key: source.info[key] for key in ("icc_profile",) if key in source.info}
    return picture


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where there is none or EXIF can't be read."""
    try:
        found = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a photograph with odd EXIF is still a photograph
        return 1
    return found if isinstance(found, int) else 1


def _tell_of_frames(picture: Image.Image, name: str) -> None:
    if picture.format in ONE_PICTURE:
        return
    try:
        frames = getattr(picture, "n_frames", 1)
    except Exception:  # a later frame is damaged; the first may be whole
        return
    if frames > 1:
        tell(f"{name} has {frames} frames or pages; the first is used.")


def _too_large_for_pillow(name: str, error: Exception, max_pixels: int = MAX_PIXELS) -> ImageError:
    words = "Make it smaller first."
    if max_pixels > MAX_PIXELS:  # asked for, and Pillow's own limit is everybody's in this process
        words = "If you trust it, raise Pillow's own limit too: PIL.Image.MAX_IMAGE_PIXELS = max_pixels."
    return ImageError(f"{name} is too large to open safely ({error}). {words}")


def _damaged(name: str, error: Exception) -> ImageError:
    why = str(error) or type(error).__name__
    return ImageError(f"{name} is damaged or cut short ({why}). Get a whole copy of it.")


def _without_texts(data: bytes) -> bytes:
    """A PNG without its texts, but EXIF and XMP: Pillow refuses the picture if one is longer than 1 MB."""
    if not data.startswith(PNG):
        return data
    kept, at = [PNG], len(PNG)
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind, keyword = data[at + 4 : at + 8], data[at + 8 : at + 88].partition(b"\0")[0]
        if kind not in (b"tEXt", b"zTXt", b"iTXt") or keyword in METADATA:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _has_wide_colours(picture: Image.Image, data: bytes) -> bool:
    """Whether the file has colours of 16 bits, of which Pillow would drop the lower 8."""
    if picture.mode not in ("RGB", "RGBA"):
        return False
    if picture.format == "PNG":
        return data[24] == 16
    bits = getattr(picture, "tag_v2", {}).get(ExifTags.Base.BitsPerSample, ())
    return bool(bits) and set(bits) == {16}


def _wide_colours(data: bytes, name: str) -> Array:
    """(H, W, 3 or 4) uint16 RGB or RGBA of a PNG, or of a TIFF, which OpenCV also sets upright."""
    import cv2  # heavy, and needed for few files

    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        values = None
    if values is None or values.dtype != np.uint16 or values.ndim != 3:
        raise ImageError(f"{name} has 16-bit colours that can't be read. Save it with 8 bits a channel.")
    order = cv2.COLOR_BGR2RGB if values.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return np.asarray(cv2.cvtColor(values, order))
