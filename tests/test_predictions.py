"""What a network says of photographs: class names, scores, tables, and what that holds in memory."""

import copy
import functools
import pickle
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from xaicore import GapClassifier, Prediction, gap_classifier, sample_image, secam
from xaicore.maps.heat import HeatMap, heat_map
from xaicore.networks.load import load_network
from xaicore.networks.looks import Looks
from xaicore.networks.prediction import ClassScore, ClassScores
from xaicore.networks.preprocessing import Preprocessing
from xaicore.pictures.reading import ImageError

PHOTO = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def test_tables_escape_html() -> None:
    row = ClassScore(0, "<b>x</b>", 1.0, 0.5)
    assert "<b>" not in ClassScores([row])._repr_html_()


def test_prediction(resnet50: GapClassifier, chelsea: Prediction) -> None:
    assert chelsea.feature_maps.shape == (2048, 7, 7)
    assert chelsea.scores.shape == (1000,)
    assert abs(chelsea.probabilities.sum() - 1) < 1e-12
    expected = torch.softmax(torch.tensor(chelsea.scores, dtype=torch.float64), 0).numpy()
    assert np.allclose(chelsea.probabilities, expected, atol=1e-12)
    top = chelsea.top(5)
    assert [row.score for row in top] == sorted((row.score for row in top), reverse=True)
    assert "cat" in top[0].name or top[0].name == "tabby"
    assert chelsea.index() == top[0].index == chelsea.index(top[0].name)
    assert top[0].name in repr(chelsea)
    assert chelsea._repr_html_().count("<tr>") == 6
    wide = resnet50.predict(sample_image("chelsea"), resize="full")
    assert wide.feature_maps.shape == (2048, 7, 11)


# --- several photographs -----------------------------------------------------------------------------------


def kept(prediction: Prediction) -> int:
    """Bytes that a prediction keeps beside what it shares with others."""
    arrays = (prediction.image, prediction.input_image, prediction.feature_maps, prediction.scores)
    return sum(array.nbytes for array in arrays)


def test_predict_many_holds_what_it_returns_and_eight_at_work(one: GapClassifier) -> None:
    def peak(number: int) -> tuple[int, int]:
        tracemalloc.start()
        found = one.predict_many(PHOTO for _ in range(number))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most, sum(kept(prediction) for prediction in found)

    few, few_kept = peak(8)
    many, many_kept = peak(80)
    assert many - few < 1.2 * (many_kept - few_kept)


def test_one_kept_prediction_keeps_no_others(one: GapClassifier) -> None:
    for array in vars(one.predict_many([PHOTO] * 8)[3]).values():
        if isinstance(array, np.ndarray):
            assert array.base is None or array.base.nbytes <= array.nbytes


def test_predict_many_reads_no_further_than_it_works(one: GapClassifier) -> None:
    asked: list[int] = []

    def photos() -> Iterator[np.ndarray]:
        for number in range(30):
            asked.append(number)
            yield PHOTO if number != 9 else np.full((4, 4, 3), np.nan)

    with pytest.raises(ImageError, match="NaN"):
        one.predict_many(photos())
    assert len(asked) == 10, "it stops at the one that it can't read"


@pytest.mark.parametrize("number", [0, 1, 7, 8, 9, 17])
def test_however_many_each_is_as_if_alone(one: GapClassifier, number: int) -> None:
    photos = [np.roll(PHOTO, 3 * i, axis=1) for i in range(number)]
    found = one.predict_many(photos)
    assert len(found) == number
    for photo, prediction in zip(photos, found, strict=True):
        assert np.array_equal(prediction.image, photo)
        assert np.allclose(prediction.scores, one.predict(photo).scores, atol=1e-5)
    mixed = one.predict_many([PHOTO, PHOTO[:, :30], PHOTO], "full")
    assert [p.input_image.shape[:2] for p in mixed] == [(224, 288), (448, 224), (224, 288)]


# --- in lists, sets and caches -----------------------------------------------------------------------------


def test_results_can_be_compared_hashed_and_copied(one: GapClassifier) -> None:
    a, b = one.predict_many([PHOTO] * 2)
    results = [one, a, Looks((a,), (1.0,)), a.top(), a.score(), heat_map(a), secam(a, segments=4)]
    results += [secam(a, segments=4).regions(top=2), a.geometry, one.preprocessing]
    for result in results:
        assert result == result and result in [None, result]
        assert {result: 1}[result] == 1 and functools.cache(lambda found: 1)(result) == 1
        assert isinstance(copy.copy(result), type(result))
    assert a != b and b not in [a] and len({a, b}) == 2
    assert a.top() == b.top() and a.score() == b.score()  # rows of numbers are equal by their values
    assert Looks((a,), (1.0,)) == Looks((a,), (1.0,)) != Looks((b,), (1.0,))
    again = pickle.loads(pickle.dumps(a))
    assert np.array_equal(again.feature_maps, a.feature_maps) and again.top() == a.top()


# --- types of number ---------------------------------------------------------------------------------------


@pytest.fixture
def any_default() -> Iterator[None]:
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("any_default")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_caller_s_default_type_changes_no_number(one: GapClassifier, dtype: torch.dtype) -> None:
    before = one.predict(PHOTO)
    torch.set_default_dtype(dtype)
    after = one.predict(PHOTO)
    assert after.scores.dtype == np.float32 and np.array_equal(after.scores, before.scores)
    assert Preprocessing().normalise(PHOTO).dtype == torch.float32
    built = gap_classifier(one.network)
    assert np.array_equal(built.class_weights, one.class_weights)
    assert torch.get_default_dtype() == dtype


@pytest.mark.usefixtures("any_default")
def test_a_checkpoint_is_loaded_as_it_is_whatever_the_default_type(tmp_path) -> None:
    from torchvision.models import resnet18

    file = tmp_path / "my.pth"
    torch.save(resnet18(num_classes=3).state_dict(), file)
    wanted = load_network(f"torchvision:resnet18@{file}").predict(PHOTO).scores
    torch.set_default_dtype(torch.bfloat16)
    model = load_network(f"torchvision:resnet18@{file}")
    assert torch.get_default_dtype() == torch.bfloat16
    assert {t.dtype for t in model.network.parameters()} == {torch.float32}
    assert np.allclose(model.predict(PHOTO).scores, wanted, atol=1e-5)


def test_a_network_in_float64_is_one_like_any_other(one: GapClassifier) -> None:
    model = gap_classifier(copy.deepcopy(one.network).double())
    assert {t.dtype for t in model.network.parameters()} == {torch.float64}
    assert np.allclose(model.predict(PHOTO).scores, one.predict(PHOTO).scores, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_around_the_call_changes_no_number(one: GapClassifier, dtype: torch.dtype) -> None:
    before = one.predict(PHOTO)
    with torch.autocast("cpu", dtype=dtype):
        with_convolution = nn.functional.conv2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 1))
        assert with_convolution.dtype == dtype  # it is on
        after = one.predict(PHOTO)
        built = gap_classifier(one.network)
        assert torch.is_autocast_enabled("cpu")
    assert np.array_equal(after.scores, before.scores)
    assert np.array_equal(after.feature_maps, before.feature_maps)
    assert np.array_equal(built.class_weights, one.class_weights)


def test_what_a_prediction_keeps_is_what_it_says(one: GapClassifier) -> None:
    prediction = one.predict(PHOTO)
    (height, width), (h, w) = PHOTO.shape[:2], prediction.input_image.shape[:2]
    feature_maps = prediction.feature_maps
    said = 3 * height * width + 3 * h * w + 4 * feature_maps.size
    assert kept(prediction) == said + prediction.scores.nbytes


@pytest.mark.parametrize("make", [np.float16, ">f4", ">f8", torch.bfloat16, torch.float16, "masked", "grad"])
def test_a_map_may_hold_numbers_of_any_type(make) -> None:
    values = np.arange(60 * 80).reshape(60, 80) % 128 / 4.0  # which all of these types hold exactly
    unknown = values > 31
    given, wanted = values, values
    if make == "masked":
        given, wanted = np.ma.masked_array(values, unknown), np.where(unknown, np.nan, values)
    elif make == "grad":
        given = torch.tensor(values, requires_grad=True)
    else:
        given = torch.tensor(values).to(make) if isinstance(make, torch.dtype) else values.astype(make)
    assert np.array_equal(HeatMap.of(given, PHOTO, "mine").values, wanted, equal_nan=True)


def test_a_map_of_complex_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"real numbers, not complex128.*np\.abs"):
        HeatMap.of(np.full((60, 80), 1 + 2j), PHOTO, "mine")
