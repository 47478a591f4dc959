"""See what an image classifier looked at: class activation maps (CAM) and their superpixel averages (SeCAM).

>>> import xaicore
>>> model = xaicore.load_resnet50()
>>> prediction = model.predict("photo.jpg")
>>> xaicore.secam(prediction).regions(top=5)
"""

from xaicore.maps.cells import cam, class_activation_map, contrastive_cam
from xaicore.maps.drawing import heat_map, on_photo, upsample
from xaicore.maps.views import min_max, relu, symmetric
from xaicore.networks.gap import GapClassifier, NotAGapClassifierError, gap_classifier
from xaicore.networks.load import load_resnet50
from xaicore.networks.prediction import Prediction
from xaicore.networks.weights import WeightsUnavailableError
from xaicore.pictures.geometry import fit
from xaicore.pictures.reading import ImageError, read_image
from xaicore.pictures.samples import SAMPLES, mosaic, sample_image
from xaicore.regions.averages import SeCAM, secam, select, superpixel_scores
from xaicore.regions.segmenters import superpixels

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
