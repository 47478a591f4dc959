"""See what an image classifier looked at: class activation maps (CAM) and their superpixel averages (SeCAM).

>>> import xaicore
>>> model = xaicore.load_resnet50()
>>> prediction = model.predict("photo.jpg")
>>> xaicore.secam(prediction).regions(top=5)
"""

from xaicore.cam import (
    cam,
    class_activation_map,
    contrastive_cam,
    heat_map,
    min_max,
    on_photo,
    relu,
    symmetric,
    upsample,
)
from xaicore.images import SAMPLES, ImageError, fit, mosaic, read_image, sample_image
from xaicore.models import GapClassifier, NotAGapClassifierError, gap_classifier, load_resnet50
from xaicore.predictions import Prediction
from xaicore.secam import SeCAM, secam, select, superpixel_scores
from xaicore.superpixels import superpixels
from xaicore.weights import WeightsUnavailableError

__all__ = [
    "SAMPLES",
    "GapClassifier",
    "ImageError",
    "NotAGapClassifierError",
    "Prediction",
    "SeCAM",
    "WeightsUnavailableError",
    "cam",
    "class_activation_map",
    "contrastive_cam",
    "fit",
    "gap_classifier",
    "heat_map",
    "load_resnet50",
    "min_max",
    "mosaic",
    "on_photo",
    "read_image",
    "relu",
    "sample_image",
    "secam",
    "select",
    "superpixel_scores",
    "superpixels",
    "symmetric",
    "upsample",
]
