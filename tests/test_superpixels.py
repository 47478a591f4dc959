"""Superpixels: a partition of the photograph, by whichever segmenter."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.data import astronaut
from skimage.measure import label
from skimage.segmentation import slic
from skimage.transform import rescale

from xaicore import sample_image, superpixel_scores, superpixels
from xaicore.regions.labels import LabelMap
from xaicore.regions.segmenters import SEGMENTERS, Segmenter


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return (rescale(sample_image("coffee"), 0.4, channel_axis=2, anti_aliasing=True) * 255).astype(np.uint8)


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_labels_are_a_partition_without_gaps(photo: np.ndarray, segmenter: str) -> None:
    labels = superpixels(photo, segmenter=segmenter)
    assert labels.shape == photo.shape[:2]
    assert (np.bincount(labels.ravel()) > 0).all()
    assert labels.min() == 0
    assert labels.max() > 0
    assert np.array_equal(labels, superpixels(photo, segmenter=segmenter)), "not deterministic"


def test_slic_is_scikit_images_on_rgb(photo: np.ndarray) -> None:
    expected = slic(photo, n_segments=60, compactness=20, start_label=0)
    assert np.array_equal(superpixels(photo, 60, compactness=20), LabelMap.of(expected).index)
    assert not np.array_equal(superpixels(photo, 60), superpixels(photo[..., ::-1].copy(), 60))


def test_more_segments_asked_gives_more(photo: np.ndarray) -> None:
    for segmenter in ("slic", "watershed"):
        counts = [superpixels(photo, n, segmenter).max() + 1 for n in (10, 50, 200)]
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
    for side, cut_at in ((1024, 1024), (1025, 1024), (2500, 1024)):
        labels = superpixels(np.zeros((side // 2, side, 3), np.uint8), segmenter="squares")
        assert max(sizes.pop()) == cut_at
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
