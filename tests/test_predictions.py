"""What a network says of a photograph: class names, scores, tables."""

import numpy as np
import torch

from xaicore import GapClassifier, Prediction, sample_image
from xaicore.networks.prediction import ClassScore, ClassScores


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
