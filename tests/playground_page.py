"""Pages with playgrounds for the tests, what the package itself says of a state, and how to use a control."""

import pickle

import numpy as np

from xaicore import mosaic, sample_image, superpixels
from xaicore.maps.cells import class_activation_map
from xaicore.maps.drawing import on_photo
from xaicore.playground.page import playground
from xaicore.playground.quantise import error_bound
from xaicore.regions.averages import paint, select, superpixel_scores

ROUNDING = 1e-4  # the network's and the oracle's own 32-bit floats

LABELS = {}


def example(model):
    """Three photographs, one of them twice as wide as high, and a few classes that are not in them."""
    montage = mosaic([sample_image("bull_mastiff"), sample_image("chelsea")], columns=2)
    predictions = [
        model.predict(montage, "full"),
        model.predict(sample_image("bald_eagle")),
        model.predict(sample_image("strawberry"), "squash"),
    ]
    names = ["dog and cat", "bald eagle", "strawberry"]
    return playground(predictions, classes=["zebra", "banana"], segments=(25, 50, 100), names=names)


def page(*outputs):
    """An HTML page that shows notebook outputs one below the other."""
    body = "\n<hr>\n".join(output._repr_html_() for output in outputs)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Playground</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"></head>'
        f"<body><main><h1>Playground</h1>{body}</main></body></html>"
    )


def make(folder, model):
    """The example on a page of its own, and with company; pickled for comparison."""
    play = example(model)
    (folder / "play.pickle").write_bytes(pickle.dumps(play))
    (folder / "one.html").write_text(page(play), encoding="utf-8")
    other = playground(model.predict(sample_image("yurt")), segments=(25,), names=["yurt"])
    second = play.another(photo="bald eagle", mode="secam", view="outline")
    button = play.button("Show the berries", photo="strawberry", mode="secam", view="cutout")
    (folder / "several.html").write_text(page(play, second, other, button), encoding="utf-8")


# --- what the package says -------------------------------------------------------------------------------


def expected(play, state):
    """Map, score, superpixel scores and choice of a state, by xaicore in floats; and the computed bound."""
    view = play.predictions[state["photo"]]
    f = view.feature_maps
    w, b = view.class_weights[state["target"]].astype(float), float(view.bias[state["target"]])
    bound = error_bound(f, view.class_weights[[state["target"]]])[0]
    if state["rival"] is not None:
        w = w - view.class_weights[state["rival"]]
        b -= float(view.bias[state["rival"]])
        bound = bound + error_bound(f, view.class_weights[[state["rival"]]])[0]
    contributions = w * f.mean(axis=(1, 2))
    on = np.ones(len(w), dtype=bool)
    if state["keep"] is not None:
        on[np.argsort(-np.abs(contributions), kind="stable")[state["keep"] :]] = False
    on[list(state["off"])] = False
    M = class_activation_map(f[on], w[on])
    heat = on_photo(M, view.geometry)
    key = (state["photo"], state["segments"])
    if key not in LABELS:
        LABELS[key] = superpixels(view.image, state["segments"])
    scores = superpixel_scores(heat, LABELS[key], state["statistic"])
    how = {"top": state["top"]} if state["choose"] == "top" else {"threshold": state["threshold"] / 100}
    return {
        "map": M,
        "score": float(M.mean() + b),
        "bias": b,
        "on": on,
        "contributions": contributions,
        "bound": float(bound.max()) + ROUNDING,
        "score_bound": float(bound.mean()) + ROUNDING,
        "heat": heat,
        "labels": LABELS[key],
        "scores": scores,
        "chosen": select(scores, **how),
        "secam": paint(scores, LABELS[key]),
    }


def probability(view, c, classes=None, on=None):
    """Softmax of class c among all classes, or among some, with some feature maps only."""
    scores = view.scores.astype(float)
    if classes is not None:
        scores = np.full(len(scores), -np.inf)
        F = view.feature_maps.mean(axis=(1, 2)) * on
        scores[list(classes)] = view.class_weights[list(classes)] @ F + view.bias[list(classes)]
    return float(np.exp(scores[c] - np.logaddexp.reduce(scores)))


# --- what the browser says -------------------------------------------------------------------------------

READ = """root => {
    const { state, result, parts, photo } = root.playground
    const text = name => parts[name].textContent
    return {
        state: { ...state, off: [...state.off] },
        map: [...result.map], score: result.score, mean: result.mean, bias: result.bias,
        limit: result.limit, active: result.active, probability: result.probability,
        scores: result.scores && [...result.scores], chosen: result.chosen,
        area: result.area, evidence: result.evidence, size: [photo.h, photo.w],
        line: [text("mean"), text("plus"), text("bias"), text("score")],
        told: { probability: text("probability"), exact: text("exact"), regions: text("regions"),
                unit: text("unit"), readout: text("readout"), maps: text("offCount") },
    }
}"""


def seen(page, nth=0):
    return page.locator(".xai-play").nth(nth).evaluate(READ)


def agrees(play, told):
    """Hold everything that the browser computed against the package. Returns what the package says."""
    state = told["state"]
    want = expected(play, state)
    got = np.reshape(told["map"], told["size"])
    assert np.abs(got - want["map"]).max() <= want["bound"]
    assert abs(told["score"] - want["score"]) <= want["score_bound"]
    assert abs(told["mean"] + told["bias"] - told["score"]) < 1e-9
    mean, sign, bias, score = told["line"]
    read = [float(number.replace("−", "-")) for number in (mean, f"{sign}{bias}", score)]
    assert abs(read[0] + read[1] - read[2]) < 1e-9  # digit for digit
    assert abs(read[2] - told["score"]) <= 5e-4 + 1e-12
    assert told["active"] == want["on"].sum()
    view = play.predictions[state["photo"]]
    complete = bool(want["on"].all())
    among = {} if complete else {"classes": play.classes, "on": want["on"]}
    p = probability(view, state["target"], **among)
    # a score that is off by ε moves a probability by at most p(1−p)·2ε
    assert abs(told["probability"] - p) <= 2 * want["score_bound"] * max(p * (1 - p), 0.02)
    words = "among all 1,000 classes" if complete else f"among the {len(play.classes)} offered classes"
    assert words in told["told"]["probability"]
    if state["mode"] == "secam":
        scores, slack = np.array(told["scores"]), want["bound"]
        assert np.abs(scores - want["scores"]).max() <= slack
        best = want["scores"].max()
        if state["choose"] == "threshold":
            border = state["threshold"] / 100 * best
        else:
            border = np.sort(want["scores"])[::-1][min(state["top"], len(scores)) - 1]
        doubtful = np.flatnonzero(np.abs(want["scores"] - max(border, 0)) <= 2 * slack)
        assert set(told["chosen"]) ^ set(want["chosen"].tolist()) <= set(doubtful.tolist())
        areas = np.bincount(want["labels"].ravel()) / want["labels"].size
        assert abs(told["area"] - areas[told["chosen"]].sum()) < 1e-9
        evidence = areas * np.maximum(want["scores"], 0)
        if evidence.sum() > 20 * slack * areas.sum():
            share = evidence[told["chosen"]].sum() / evidence.sum()
            assert abs(told["evidence"] - share) <= 3 * slack / evidence.sum()
    return want
