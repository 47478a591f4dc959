"""See what an image classifier looked at: class activation maps (CAM) and their superpixel averages (SeCAM).

>>> import xaicore
>>> model = xaicore.load_resnet50()
>>> prediction = model.predict("photo.jpg")
>>> xaicore.secam(prediction).regions(top=5)

Any kind of map goes the same way, from what the network saw to heat on the photograph to regions:

>>> looks = model.look("photo.jpg", scales=(1, 2))
>>> heat = xaicore.heat_map(looks, kind="focus")
>>> xaicore.average(heat, xaicore.superpixels(heat.image)).regions(top=5)
"""

from typing import TYPE_CHECKING

from xaicore.explanation import Explanation, Settings, explain
from xaicore.maps.cells import cam, class_activation_map, contrastive_cam
from xaicore.maps.drawing import on_photo, upsample
from xaicore.maps.heat import HeatMap, heat_map
from xaicore.maps.kinds import KINDS, map_kind
from xaicore.maps.views import min_max, relu, symmetric
from xaicore.networks.looks import Looks
from xaicore.networks.prediction import Prediction
from xaicore.pictures.geometry import fit
from xaicore.pictures.reading import ImageError, read_image
from xaicore.pictures.samples import SAMPLES, mosaic, sample_image
from xaicore.regions.averages import RegionMap, average, secam, select, superpixel_scores
from xaicore.regions.segmenters import SEGMENTERS, segmenter, superpixels

if TYPE_CHECKING:
    from xaicore.apps.folder import explain_folder
    from xaicore.networks.gap import GapClassifier, NotAGapClassifierError, gap_classifier
    from xaicore.networks.load import load_network, load_resnet50
    from xaicore.networks.preprocessing import Preprocessing
    from xaicore.networks.weights import WeightsUnavailableError

__all__ = [
    "KINDS",
    "SAMPLES",
    "SEGMENTERS",
    "Explanation",
    "GapClassifier",
    "HeatMap",
    "ImageError",
    "Looks",
    "NotAGapClassifierError",
    "Prediction",
    "Preprocessing",
    "RegionMap",
    "Settings",
    "WeightsUnavailableError",
    "average",
    "cam",
    "class_activation_map",
    "contrastive_cam",
    "explain",
    "explain_folder",
    "fit",
    "gap_classifier",
    "heat_map",
    "load_network",
    "load_resnet50",
    "map_kind",
    "min_max",
    "mosaic",
    "on_photo",
    "read_image",
    "relu",
    "sample_image",
    "secam",
    "segmenter",
    "select",
    "superpixel_scores",
    "superpixels",
    "symmetric",
    "upsample",
]


def __getattr__(name: str) -> object:
    """Bring a name whose module imports torch when it is first asked for: most of a second (PEP 562)."""
    from importlib import import_module

    homes = {
        "apps.folder": ("explain_folder",),
        "networks.gap": ("GapClassifier", "NotAGapClassifierError", "gap_classifier"),
        "networks.load": ("load_network", "load_resnet50"),
        "networks.preprocessing": ("Preprocessing",),
        "networks.weights": ("WeightsUnavailableError",),
    }
    for module, names in homes.items():
        if name in names:
            return getattr(import_module(f"xaicore.{module}"), name)
    raise AttributeError(f"module 'xaicore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
