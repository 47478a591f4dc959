"""What a network says of one photograph: scores and probabilities by class name, and the feature maps.

A :class:`Prediction` holds all that a map needs, so everything after it is arithmetic on arrays.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xaicore.networks.names import Target as Target
from xaicore.networks.names import class_index
from xaicore.networks.provenance import Provenance
from xaicore.pictures.geometry import Geometry, Resize
from xaicore.pictures.reading import Photo

Floats = NDArray[np.float32]
Activation = Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class ClassScore:
    """One row of a top-k table: `score` is S_c (a logit), `probability` in [0, 1] what becomes of it."""

    index: int
    name: str
    score: float
    probability: float


class ClassScores(tuple[ClassScore, ...]):
    """Rows of :class:`ClassScore`, best first, that show as a table in a notebook and in a terminal."""

    def __repr__(self) -> str:
        width = max((len(row.name) for row in self), default=5)
        lines = [f"{'class':<{width}}  index   score  probability"]
        lines += [f"{r.name:<{width}}  {r.index:5d}  {r.score:6.2f}  {r.probability:11.1%}" for r in self]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{html.escape(r.name)}</td><td>{r.index}</td><td>{r.score:.2f}</td>"
            f"<td>{r.probability:.1%}</td></tr>"
            for r in self
        )
        head = "".join(f"<th>{name}</th>" for name in ("class", "index", "score", "probability"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """Everything that one forward pass says of one photograph; a map needs nothing else.

    It keeps the photograph, the input and the feature maps: 3·H·W + 3·h'·w' + 4·K·h·w bytes, with ResNet50
    and a photograph of 300 × 451 pixels 0.9 MB. Two are equal only if they are the same one.

    Attributes:
        image: the photograph, (H, W, 3) uint8.
        input_image: what the network saw of it, (h', w', 3) uint8.
        geometry: which pixel of the photograph is which pixel of the input.
        feature_maps: f_k(x,y), (K, h, w) float32.
        scores: S_c as the network itself computed them, (C,) float32 logits.
        class_weights: w, (C, K) float32. `bias`: b, (C,) float32 (zeros for a layer without bias).
        categories: the C class names.
        provenance: where the weights came from.
        resize: how the photograph became the input; see :func:`xaicore.pictures.geometry.fit`.
        activation: "softmax" for classes that exclude each other, "sigmoid" for independent ones and for
            one logit.
    """

    image: Photo
    input_image: Photo
    geometry: Geometry
    feature_maps: Floats
    scores: Floats
    class_weights: Floats
    bias: Floats
    categories: tuple[str, ...]
    provenance: Provenance | str
    resize: Resize
    activation: Activation = "softmax"

    @property
    def one_logit(self) -> bool:
        """Whether it answers yes or no by one logit S, so that no class has a rival: p = σ(S).

        With two names, those of its negative and its positive side, the scores are −S and S.
        """
        w = self.class_weights
        return len(w) == 1 or (self.activation == "sigmoid" and len(w) == 2 and np.array_equal(w[0], -w[1]))

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Softmax of the scores, (C,), in [0, 1], summing to 1; or of each its own sigmoid 1/(1 + e^−S)."""
        if self.activation == "sigmoid":
            return np.asarray(np.exp(-np.logaddexp(0, -self.scores.astype(np.float64))))
        shifted = np.exp(self.scores.astype(np.float64) - self.scores.max())
        return np.asarray(shifted / shifted.sum())

    def index(self, target: Target | None = None) -> int:
        """Class index of a name or index; of the class with the highest score if `target` is None."""
        return int(self.scores.argmax()) if target is None else class_index(target, self.categories)

    def score(self, target: Target | None = None) -> ClassScore:
        """Score and probability of one class."""
        c = self.index(target)
        return ClassScore(c, self.categories[c], float(self.scores[c]), float(self.probabilities[c]))

    def top(self, k: int = 5) -> ClassScores:
        """The k classes with the highest scores, best first."""
        return ClassScores(self.score(int(c)) for c in np.argsort(-self.scores, kind="stable")[:k])

    def __repr__(self) -> str:
        return repr(self.top())

    def _repr_html_(self) -> str:
        return self.top()._repr_html_()
