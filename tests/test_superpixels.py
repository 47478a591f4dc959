"""Superpixels: a partition of the photograph, by whichever segmenter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.segmentation import slic
from skimage.transform import rescale

from xaicore import sample_image, superpixels
from xaicore.regions.labels import LabelMap
from xaicore.regions.segmenters import SEGMENTERS


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
