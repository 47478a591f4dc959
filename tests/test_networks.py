"""The other trained networks of benchmarks/, and ResNet50 on a finer grid."""

import numpy as np
import pytest

from benchmarks.networks import dilated, fast, finer_grid, load_efficientnet_lite
from xaicore import load_resnet50, sample_image
from xaicore.pictures.samples import SAMPLES


@pytest.mark.slow
@pytest.mark.parametrize(("size", "shape"), [(0, (1280, 7, 7)), (2, (1280, 9, 9))])
def test_efficientnet_lite_recognises_the_samples(size, shape):
    """18 of the 20 labelled photographs, with the preprocessing that each was trained with."""
    model = load_efficientnet_lite(size)
    labels = {name: sample.label for name, sample in SAMPLES.items() if sample.label is not None}
    found = model.predict_many([sample_image(name) for name in labels])
    right = [prediction.index() == label for prediction, label in zip(found, labels.values(), strict=True)]
    assert len(right) == 20
    assert sum(right) == 18
    assert found[0].feature_maps.shape == shape


def test_every_second_cell_of_the_finer_grid_is_a_cell_of_the_usual_one(resnet50):
    """Dilation leaves the weights with the neighbours that they were trained with, so this is exact."""
    photo = sample_image("chelsea")
    usual, finer = (model.predict(photo, "squash") for model in (resnet50, dilated(resnet50)))
    assert finer.feature_maps.shape[1:] == (14, 14)
    np.testing.assert_allclose(finer.feature_maps[:, ::2, ::2], usual.feature_maps, atol=1e-4)


def test_finer_grid_is_made_once_and_leaves_the_network_alone(resnet50):
    before = resnet50.predict(sample_image("chelsea"), "squash").feature_maps
    assert finer_grid(resnet50) is finer_grid(resnet50)
    np.testing.assert_array_equal(resnet50.predict(sample_image("chelsea"), "squash").feature_maps, before)


def test_the_faster_layout_says_the_same(resnet50):
    before = resnet50.predict(sample_image("chelsea"), "squash").scores
    after = fast(load_resnet50(progress=False)).predict(sample_image("chelsea"), "squash").scores
    np.testing.assert_allclose(after, before, atol=1e-3)
