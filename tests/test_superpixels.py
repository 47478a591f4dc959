"""Superpixels: a partition of the photograph, by whichever segmenter."""

import warnings
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from skimage.color import rgb2gray
from skimage.data import astronaut
from skimage.filters import sobel
from skimage.measure import label
from skimage.segmentation import felzenszwalb, quickshift, slic, watershed
from skimage.transform import rescale

from xaicore import sample_image, superpixel_scores, superpixels
from xaicore.regions import segmenters
from xaicore.regions.labels import LabelMap, nearest
from xaicore.regions.segmenters import PIXELS, SEGMENTERS, Segmenter, _attempts, cut, few, segmenter


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return (rescale(sample_image("coffee"), 0.4, channel_axis=2, anti_aliasing=True) * 255).astype(np.uint8)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_labels_are_a_partition_without_gaps(photo: np.ndarray, name: str) -> None:
    labels = superpixels(photo, segmenter=name)
    assert labels.shape == photo.shape[:2]
    assert (np.bincount(labels.ravel()) > 0).all()
    assert labels.min() == 0
    assert labels.max() > 0
    assert np.array_equal(labels, superpixels(photo, segmenter=name)), "not deterministic"


def test_slic_is_scikit_images_on_rgb(photo: np.ndarray) -> None:
    expected = slic(photo, n_segments=60, compactness=20, start_label=0)
    found = superpixels(photo, 60, pixels=photo.size, compactness=20)
    assert np.array_equal(found, LabelMap.of(expected).index)
    assert not np.array_equal(superpixels(photo, 60), superpixels(photo[..., ::-1].copy(), 60))


def test_more_segments_asked_gives_more(photo: np.ndarray) -> None:
    for name in ("slic", "watershed"):
        counts = [superpixels(photo, n, name).max() + 1 for n in (10, 50, 200)]
        assert counts == sorted(set(counts))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"segmenter": "voronoi"}, "slic, felzenszwalb, quickshift, watershed"),
        ({"segments": 0}, "at least 1"),
        ({"segments": 10, "segmenter": "felzenszwalb"}, "scale="),
        ({"segments": 10, "segmenter": "quickshift"}, "kernel_size="),
    ],
)
def test_bad_arguments(photo: np.ndarray, arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        superpixels(photo, **arguments)


def test_bad_pictures_and_label_maps(photo: np.ndarray) -> None:
    with pytest.raises(ValueError, match="read_image"):
        superpixels(photo / 255)
    with pytest.raises(ValueError, match="on the photograph itself"):
        LabelMap.of(np.zeros((7, 7), int), (14, 14))
    with pytest.raises(ValueError, match="whole numbers"):
        LabelMap.of(np.zeros((7, 7)), (7, 7))


@settings(deadline=None)
@given(arrays(np.int64, (6, 7), elements=st.integers(-5, 1000)))
def test_regions_are_counted_and_nothing_else(labels: np.ndarray) -> None:
    clean = LabelMap.of(labels, (6, 7)).index
    assert set(np.unique(clean)) == set(range(len(np.unique(labels))))
    same = labels.ravel()[:, None] == labels.ravel()
    assert np.array_equal(same, clean.ravel()[:, None] == clean.ravel())


def grainy(picture: np.ndarray, sigma: float) -> np.ndarray:
    grain = np.random.default_rng(0).normal(0, sigma, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma", [40, 80])
def test_grain_leaves_about_as_many_as_were_asked_for(photo: np.ndarray, sigma: float) -> None:
    assert slic(grainy(photo, sigma), n_segments=100).max() == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert superpixels(grainy(photo, sigma), 100).max() + 1 >= 50


@pytest.mark.parametrize("asked", [2, 3, 5])
def test_a_handful_is_more_than_one(asked: int) -> None:
    for name in ("coffee", "chelsea", "astronaut"):
        picture = sample_image(name) if name != "astronaut" else astronaut()
        assert 2 <= superpixels(picture, asked).max() + 1 <= 2 * asked


def test_what_falls_far_short_says_so(photo: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, photo.shape, dtype=np.uint8)
    with pytest.warns(UserWarning, match="slic found 1 of the 100"):
        superpixels(noise, 100, sigma=0)  # whoever sets it has it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in ((2, 2), (2, 3), (3, 3)):
            for name in SEGMENTERS:
                assert superpixels(noise[: size[0], : size[1]], segmenter=name).shape == size


def test_a_large_photograph_is_cut_smaller_and_its_labels_enlarged(monkeypatch) -> None:
    sizes = []

    def squares(image: np.ndarray, segments: int, **options: np.ndarray) -> np.ndarray:
        """Squares of 64 pixels."""
        sizes.append(image.shape[:2])
        row, column = np.indices(image.shape[:2]) // 64
        return row * 1000 + column

    monkeypatch.setitem(SEGMENTERS, "squares", Segmenter("squares", squares, "", ""))
    for side, pixels, cut_at in ((200, 20_000, 200), (202, 20_000, 200), (2500, 80_000, 400)):
        photo = np.zeros((side // 2, side, 3), np.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of this size it finds few
            labels = superpixels(photo, segmenter="squares", pixels=pixels)
        assert sizes.pop() == (cut_at // 2, cut_at)
        assert labels.shape == (side // 2, side) and labels.dtype == np.int32
        assert (np.bincount(labels.ravel()) > 0).all()
        for i in range(labels.max() + 1):
            assert label(labels == i, connectivity=1).max() == 1, "in one piece"


@pytest.mark.parametrize("segmenter", ["slic", "watershed"])
@pytest.mark.parametrize("factor", [1, 6])
def test_what_a_mask_leaves_out_is_in_no_superpixel(photo: np.ndarray, segmenter: str, factor: int) -> None:
    picture = np.kron(photo, np.ones((factor, factor, 1), np.uint8))
    inside = np.zeros(picture.shape[:2], bool)
    inside[: len(inside) // 2, 60 * factor :] = True
    labels = superpixels(picture, 20, segmenter, mask=inside)
    assert np.ma.getmaskarray(labels)[~inside].all()
    assert np.ma.getmaskarray(labels)[inside].mean() < 0.02
    assert np.unique(labels.compressed()).tolist() == list(range(labels.max() + 1))
    heat = np.where(inside, 1.0, -1.0)
    assert np.allclose(superpixel_scores(heat, labels), 1)
    with pytest.raises(ValueError, match="mask= has shape"):
        superpixels(photo, mask=np.ones((3, 3), bool))


def test_lines_of_a_watershed_are_no_region(photo: np.ndarray) -> None:
    labels = superpixels(photo, 20, "watershed", watershed_line=True, compactness=0)
    assert 0.01 < labels.mask.mean() < 0.2
    assert (np.bincount(labels.compressed()) > 0).all()


own = st.sampled_from(["int8", "uint8", ">i2", "int64", "uint64", "bool"])


@settings(deadline=None)
@given(own.flatmap(lambda dtype: arrays(dtype, (5, 6))), arrays(np.bool_, (5, 6)))
def test_every_label_is_one_region_but_for_what_is_masked(labels: np.ndarray, masked: np.ndarray) -> None:
    masked[0, 0] = False
    for given_ in (labels, np.ma.masked_array(labels, masked)):
        cut = LabelMap.of(given_)
        present = ~np.ma.getmaskarray(given_)
        ids, index = np.unique(labels[present], return_inverse=True)
        assert cut.labels is given_ and cut.ids.tolist() == ids.tolist()
        assert (cut.index[present] == index.ravel()).all() and (cut.index[~present] == -1).all()


def test_label_maps_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="unmasked"):
        LabelMap.of(np.ma.masked_all((3, 3), dtype=int))
    with pytest.raises(ValueError, match="shape"):
        LabelMap.of(np.zeros((2, 3, 3), int))


# --- label maps written out ------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [[0, 1, 2], [0, 1, 3], [1, 2, 3], [-1, 0, 2], [0, 5, 6], [0, 8, 9]])
def test_a_label_map_written_out(ids: list[int]) -> None:
    index = np.array([[0, 0, 1], [2, 1, 1]])
    own = np.array(ids, np.int16)[index]
    cut = LabelMap.of(own, (2, 3))
    assert cut.ids.tolist() == ids and cut.ids.dtype == np.int16 and cut.index.dtype == np.int32
    assert (cut.index == index).all() and len(cut) == 3 and cut.everywhere
    assert cut.each([1.5, 2.5, 3.5], np.nan).tolist() == [[1.5, 1.5, 2.5], [3.5, 2.5, 2.5]]
    values, where = np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[True, False, True], [True] * 3])
    assert cut.sums(where, values).tolist() == [1, 14, 4]
    assert cut.sums(where).tolist() == [1, 3, 1]
    rows, columns = cut.centres()
    np.testing.assert_allclose(rows, [0, 2 / 3, 1])
    np.testing.assert_allclose(columns, [0.5, 5 / 3, 0])


def test_a_masked_label_map_written_out() -> None:
    own = np.ma.masked_equal(np.array([[9, 4, 4], [7, 9, 7]]), 9)
    for size in (None, (2, 3), [2, 3]):
        cut = LabelMap.of(own, size)
        assert cut.ids.tolist() == [4, 7] and cut.index.tolist() == [[-1, 0, 0], [1, -1, 1]]
        assert cut.index.dtype == np.int32 and not cut.everywhere
    assert cut.places((2, 3)).mask.tolist() == [[True, False, False], [False, True, False]]
    assert cut.places((2, 3)).compressed().tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(cut.each([0.5, 1.5], np.nan), [[np.nan, 0.5, 0.5], [1.5, np.nan, 1.5]])
    values, where = np.arange(6.0).reshape(2, 3), np.array([[True, True, False], [True] * 3])
    assert cut.sums(where, values).tolist() == [1, 8] and cut.sums(where).tolist() == [1, 2]
    assert [c.tolist() for c in cut.centres()] == [[0, 1], [1.5, 1]]
    assert LabelMap.of(np.ma.masked_array([[0, 1]], [[False, False]])).everywhere, "a mask that hides nothing"
    last = LabelMap.of(np.ma.masked_equal([[0, 1, 2]], 2))
    nothing = last.sums(np.array([[True, False, False]]))
    assert nothing.tolist() == [1, 0], "a region without a pixel counts none"


def test_what_is_no_label_map() -> None:
    for wrong, size, wanted in (
        ([1, 2], None, r"\(height, width\)"),
        (np.zeros((2, 2, 2), int), None, r"\(height, width\)"),
        (np.zeros((2, 3), int), [3, 2], r"\(3, 2\)"),
    ):
        with pytest.raises(ValueError, match=f"The label map has shape .*, the photograph {wanted}"):
            LabelMap.of(wrong, size)
    for dtype in (float, complex, str):
        with pytest.raises(ValueError, match="holds whole numbers"):
            LabelMap.of(np.zeros((2, 2)).astype(dtype))
    for empty in (np.zeros((0, 3), int), np.ma.masked_equal([[1, 1]], 1)):
        with pytest.raises(ValueError, match="no pixel in a region"):
            LabelMap.of(empty)


@settings(deadline=None)
@given(st.tuples(*[st.integers(1, 9)] * 4))
def test_nearest_takes_what_lies_under_the_centre(sides: tuple[int, ...]) -> None:
    size, new = sides[:2], sides[2:]
    values = np.arange(size[0] * size[1]).reshape(size)
    found = nearest(values, new)
    rows, columns = (
        [Fraction(2 * i + 1, 2) * m // n for i in range(n)] for n, m in zip(new, size, strict=True)
    )
    assert found.tolist() == [[values[r, c] for c in map(int, columns)] for r in map(int, rows)]
    masked = nearest(np.ma.masked_equal(values, 0), new)
    assert (np.ma.getmaskarray(masked) == (found == 0)).all()
    assert nearest(values, size) is values and nearest(values, list(size)) is values
    with pytest.raises(ValueError, match="argument"):
        nearest(values, (*size, 1))


# --- the registry, and how slic is asked -----------------------------------------------------------------


def test_what_a_segmenter_is_registered_as(monkeypatch) -> None:
    monkeypatch.setattr(segmenters, "SEGMENTERS", dict(SEGMENTERS))

    def told(image, segments):
        """Told.

        More.
        """

    def untold(image, segments):
        pass

    assert segmenter("mine")(told) is told
    assert segmenters.SEGMENTERS["mine"] == Segmenter("mine", told, "", "Told.")
    assert segmenters.SEGMENTERS["mine"].counted
    segmenter("own", knobs="size=")(told)
    assert segmenters.SEGMENTERS["own"] == Segmenter("own", told, "size=", "Told.")
    for name in ("", "slic", "mine"):
        with pytest.raises(ValueError, match="not taken"):
            segmenter(name)
    with pytest.raises(ValueError, match="docstring"):
        segmenter("third")(untold)
    assert "third" not in segmenters.SEGMENTERS


def test_few_is_one_or_under_a_fifth() -> None:
    for found, asked, pixels, expected in (
        (20, 100, 5000, False),
        (19, 100, 5000, True),
        (1, 1, 5000, False),
        (1, 2, 5000, True),
        (1, 2, 1, False),
        (2, 2, 5000, False),
        (2, 9, 5000, False),
        (2, 11, 5000, True),
        (2, 11, 10, False),
        (2, 11, 11, True),
        (12, 10, 5000, False),
    ):
        assert few(found, asked, pixels) is expected, (found, asked, pixels)


def test_how_slic_is_asked() -> None:
    smoothed = [{"sigma": 1}, {"sigma": 2}, {"sigma": 4}]
    assert list(_attempts(100, {})) == [(100, {}), *((100, more) for more in smoothed)]
    assert list(_attempts(10, {"sigma": 0})) == [(10, {})]
    more = [(asked, {}) for asked in range(10, 21)]
    assert list(_attempts(9, {"sigma": 0})) == [(9, {}), *more]
    again = [(asked, {"sigma": 2}) for asked in range(10, 21)]
    assert list(_attempts(9, {})) == [(9, {}), *((9, s) for s in smoothed), *more, *again]


def test_what_a_segmenter_is_given_and_gives(monkeypatch) -> None:
    """The picture, cut down, the number, the options, a mask of its size; what it leaves out stays out."""
    asked = []

    def columns(image: np.ndarray, segments: int, **options: object) -> np.ndarray:
        asked.append((image.shape, segments, options))
        column = np.indices(image.shape[:2])[1] * 2 // image.shape[1] + 3
        out = np.ma.masked_array(column, ~options["mask"]) if options.get("mask") is not None else column
        return np.ma.masked_where(np.arange(len(out))[:, None] + 0 * column == 0, out) if leave else out

    for knobs, name in (("", "columns"), ("wide=", "free")):
        monkeypatch.setitem(SEGMENTERS, name, Segmenter(name, columns, knobs, ""))
    photo, leave = np.zeros((20, 2048, 3), np.uint8), False
    half = partial(superpixels, photo, pixels=10 * 1024)
    labels = half(2, "columns", wide=3)
    assert asked.pop() == ((10, 1024, 3), 2, {"wide": 3})
    assert labels.shape == (20, 2048) and not isinstance(labels, np.ma.MaskedArray)
    assert (labels == np.arange(2048) // 1024).all() and labels.dtype == np.int32
    assert half(segmenter="free", mask=None) is not None
    assert asked.pop() == ((10, 1024, 3), 100, {"mask": None})

    inside = np.indices((20, 2048))[0] >= 8
    few_pixels = round(10 * 1024 * inside.mean())
    labels = superpixels(photo, 2, "columns", mask=inside.astype(int), pixels=few_pixels)
    assert (asked.pop()[2]["mask"] == (np.indices((10, 1024))[0] >= 4)).all()
    assert (np.ma.getmaskarray(labels) == ~inside).all()
    leave = True
    labels = half(2, "columns")
    assert (np.ma.getmaskarray(labels) == (np.indices((20, 2048))[0] < 2)).all()
    assert (labels.compressed() == np.broadcast_to(np.arange(2048) // 1024, (18, 2048)).ravel()).all()
    monkeypatch.setitem(SEGMENTERS, "cropped", Segmenter("cropped", lambda i, s: i[1:, :, 0], "", ""))
    with pytest.raises(ValueError, match="on the photograph itself"):
        superpixels(photo, 2, "cropped")
    for mask in (np.zeros((20, 2048), bool), np.ones((10, 1024), bool)):
        with pytest.raises(ValueError, match="mask= has shape"):
            superpixels(photo, 2, "columns", mask=mask)


def test_so_few_of_so_many_say_so(monkeypatch) -> None:
    """Against what was asked for, and the pixels there are to cut; of its own accord it may find few."""

    def halves(image: np.ndarray, segments: int, **options: object) -> np.ndarray:
        """Left and right."""
        column = np.indices(image.shape[:2])[1] * 2 // image.shape[1]
        return np.ma.masked_array(column, ~options["mask"]) if options else column

    for knobs, name in (("", "halves"), ("wide=", "free")):
        monkeypatch.setitem(SEGMENTERS, name, Segmenter(name, halves, knobs, ""))
    photo, some = np.zeros((6, 8, 3), np.uint8), np.zeros((6, 8), bool)
    some[0, :5] = some[1, 4] = some[1, 2] = some[1, 3] = some[1, 5] = some[2, 4] = True
    with pytest.warns(UserWarning, match="halves found 2 of the 11 superpixels"):
        superpixels(photo, 11, "halves")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        superpixels(photo, 10, "halves")
        superpixels(photo, segmenter="free")
        assert some.sum() == 10
        superpixels(photo, 11, "halves", mask=some)
    some[2, 5] = True
    with pytest.warns(UserWarning, match="halves found 2 of the 11"):
        superpixels(photo, 11, "halves", mask=some)
    assert superpixels(photo, 1, "halves").max() == 1


def test_only_rgb_photographs_are_cut(photo: np.ndarray) -> None:
    for wrong in (photo[..., 0], np.dstack([photo, photo[..., :1]]), photo.astype(np.int64), photo[None]):
        with pytest.raises(ValueError, match=r"cuts \(H, W, 3\) uint8"):
            superpixels(wrong)
    with pytest.raises(ValueError, match="finds its own number"):
        superpixels(photo, 100, "felzenszwalb")


@pytest.mark.parametrize(
    ("segments", "counts", "asked", "kept"),
    [
        (10, [1, 3, 6, 9], [(10, None), (10, 1), (10, 2)], 6),  # the first that is half
        (10, [1, 3, 5, 9], [(10, None), (10, 1), (10, 2)], 5),
        (10, [4, 9], [(10, None)], 4),  # less than half, as slic gives by itself, is no reason to ask again
        (10, [2, 9], [(10, None)], 2),
        (100, [1, 7, 20, 20], [(100, None), (100, 1), (100, 2), (100, 4)], 20),  # the most of all
        (100, [19, 4, 7, 18], [(100, None), (100, 1), (100, 2), (100, 4)], 19),
        (2, [1, 1, 1, 1, 1, 2], [(2, None), (2, 1), (2, 2), (2, 4), (3, None), (4, None)], 2),
        (1, [1], [(1, None)], 1),
    ],
)
def test_slic_is_asked_until_it_gives_enough(
    photo: np.ndarray, monkeypatch, segments: int, counts: list[int], asked: list, kept: int
) -> None:
    calls, answers = [], iter(counts)

    def answer(
        image: np.ndarray, n_segments: int, sigma: float | None = None, **options: object
    ) -> np.ndarray:
        assert image is photo and options == {"start_label": 0, "channel_axis": -1, "compactness": 20}
        calls.append((n_segments, sigma))
        return np.arange(image.shape[0] * image.shape[1]).reshape(image.shape[:2]) % next(answers)

    monkeypatch.setattr("skimage.segmentation.slic", answer)
    cut = SEGMENTERS["slic"].cut(photo, segments, compactness=20)
    assert calls == asked and len(np.unique(cut)) == kept


def test_slic_is_not_asked_for_more_than_there_are_pixels(photo: np.ndarray, monkeypatch) -> None:
    calls = []

    def one_pixel(image: np.ndarray, **options: object) -> np.ndarray:
        calls.append(options)
        out = np.full(image.shape[:2], -1)
        out[0, 0] = 0
        return out

    monkeypatch.setattr("skimage.segmentation.slic", one_pixel)
    cut = SEGMENTERS["slic"].cut(photo, 50)
    assert len(calls) == 1 and cut.count() == 1 and not cut.mask[0, 0]


def test_the_other_segmenters_are_scikit_images(photo: np.ndarray) -> None:
    for options in ({}, {"scale": 300}, {"min_size": 5, "sigma": 2}):
        expected = felzenszwalb(photo, **{"scale": 100, "min_size": 50} | options)
        found = superpixels(photo, segmenter="felzenszwalb", pixels=photo.size, **options)
        assert np.array_equal(found, expected)
    expected = quickshift(photo[:40, :40], max_dist=5)
    assert np.array_equal(superpixels(photo[:40, :40], segmenter="quickshift", max_dist=5), expected)
    for options in ({}, {"compactness": 0.1}):
        edges = sobel(rgb2gray(photo))
        expected = watershed(edges, markers=30, **{"compactness": 0.001} | options)
        found = SEGMENTERS["watershed"].cut(photo, 30, **options)
        assert np.array_equal(found, expected) and not np.ma.getmaskarray(found).any()
    assert {name: s.counted for name, s in SEGMENTERS.items()} == {
        "slic": True,
        "felzenszwalb": False,
        "quickshift": False,
        "watershed": True,
    }


@pytest.mark.parametrize("row", [150, 151, 152])
def test_a_thin_mask_has_superpixels_whatever_its_rows(photo: np.ndarray, row: int) -> None:
    large = np.asarray(Image.fromarray(photo).resize((400, 300)))
    inside = np.zeros((300, 400), bool)
    inside[row, 20:380] = True
    labels = superpixels(large, 5, mask=inside)
    assert (np.ma.getmaskarray(labels) == ~inside).all(), "all that is set is cut, and nothing else"


def test_a_small_mask_is_cut_as_finely_as_a_photograph(photo: np.ndarray, monkeypatch) -> None:
    sizes = []

    def count(image: np.ndarray, segments: int, mask: np.ndarray) -> np.ndarray:
        sizes.append(int(mask.sum()))
        return np.ma.masked_array(np.arange(mask.size).reshape(mask.shape) % 100, ~mask)

    monkeypatch.setitem(SEGMENTERS, "slic", Segmenter("slic", count, "", ""))
    large = np.asarray(Image.fromarray(photo).resize((2000, 1500)))
    inside = np.zeros((1500, 2000), bool)
    inside[:300, :400] = True
    superpixels(large, 100, mask=inside)
    assert sizes[0] == pytest.approx(PIXELS, rel=0.05)


def test_a_thin_strip_is_cut_along_its_length() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 50_000, 3), dtype=np.uint8)
    with pytest.warns(UserWarning, match="of the 20"):
        assert len(cut(noise, 20, sigma=2)) > 1


def test_scores_of_a_cut_at_its_working_size(photo: np.ndarray) -> None:
    large = np.asarray(Image.fromarray(photo).resize((400, 300)))
    found, heat = cut(large), np.arange(300 * 400.0).reshape(300, 400)
    np.testing.assert_array_equal(superpixel_scores(heat, found), superpixel_scores(heat, found.labels))


def test_too_few_superpixels_are_told_where_they_were_asked_for(monkeypatch) -> None:
    one = Segmenter("slic", lambda image, segments: np.zeros(image.shape[:2], int), "", "")
    monkeypatch.setitem(SEGMENTERS, "slic", one)
    for ask in (superpixels, cut):
        with pytest.warns(UserWarning, match="1 of the 100 superpixels") as caught:
            ask(np.zeros((200, 200, 3), np.uint8))
        assert caught[0].filename == __file__
