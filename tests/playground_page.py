"""Pages with playgrounds for the tests, what the package itself says of a state, and how to use a control."""

import pickle

import numpy as np

from xaicore import mosaic, sample_image, superpixels
from xaicore.maps.cells import class_activation_map, rival_shares
from xaicore.maps.drawing import on_photo
from xaicore.maps.focus import agreement
from xaicore.maps.heat import heat_map
from xaicore.playground.codes import agreement_bound, error_bound, quantise
from xaicore.playground.page import playground
from xaicore.playground.script import script, style_sheet
from xaicore.regions.averages import paint, select, superpixel_scores

ROUNDING = 1e-4  # the network's and the oracle's own 32-bit floats
SAMPLED = 97  # of the heat's pixels, the browser tells one in so many

LABELS = {}


def example(model):
    """Three photographs, one of them twice as wide as high, two with a second look; some classes more."""
    montage = mosaic([sample_image("bull_mastiff"), sample_image("chelsea")], columns=2)
    looks = [
        model.look(montage, (1, 2), "full"),
        model.look(sample_image("bald_eagle"), (1, 2)),
        model.predict(sample_image("strawberry"), "squash"),
    ]
    names = ["dog and cat", "bald eagle", "strawberry"]
    return playground(looks, classes=["zebra", "banana"], segments=(25, 50, 100), names=names)


def page(*outputs):
    """An HTML page that shows notebook outputs one below the other, as the site does: script last."""
    body = "\n<hr>\n".join(output._repr_html_() for output in outputs)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Playground</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style_sheet()}</style></head>"
        f"<body><main><h1>Playground</h1>{body}</main><script>{script()}</script></body></html>"
    )


def make(folder, model):
    """The example on a page of its own, and with company; pickled for comparison."""
    play = example(model)
    (folder / "play.pickle").write_bytes(pickle.dumps(play))
    (folder / "one.html").write_text(page(play), encoding="utf-8")
    other = playground(model.predict(sample_image("yurt")), segments=(25,), names=["yurt"])
    second = play.another(photo="bald eagle", regions=True, view="outline")
    button = play.button("Show the berries", photo="strawberry", regions=True, view="cutout")
    (folder / "several.html").write_text(page(play, second, other, button), encoding="utf-8")


# --- what the package says -------------------------------------------------------------------------------


def expected(play, state):
    """Map, score, superpixel scores and choice of a state, by xaicore in floats; and the computed bounds."""
    looks = play.looks[state["photo"]]
    view = looks.first
    f = view.feature_maps
    q = shares(view, state)
    w = q @ view.class_weights.astype(float)
    b = float(q @ view.bias.astype(float))
    bound = bound_of(f, view.class_weights, view.scores, q, play.classes)
    contributions = w * f.mean(axis=(1, 2))
    on = np.ones(len(w), dtype=bool)
    if state["keep"] is not None:
        on[np.argsort(-np.abs(contributions), kind="stable")[state["keep"] :]] = False
    on[list(state["off"])] = False
    M = class_activation_map(f[on], w[on])
    heat = on_photo(M, view.geometry)
    slack = np.full(heat.shape, bound.max() + ROUNDING)
    if state["kind"] == "focus":
        two, D, off_by = looks.predictions[1], heat, on_photo(bound, view.geometry) + ROUNDING
        second = on_photo(
            class_activation_map(two.feature_maps, shares(two, state) @ two.class_weights), two.geometry
        )
        heat = agreement([D, second])
        slack = agreement_bound(D, second, off_by, second_bound(two, state, play.classes) + ROUNDING)
        assert np.allclose(
            heat, heat_map(looks, state["target"], "focus", state["against"]).values, atol=0.05
        )
    key = (state["photo"], state["segments"])
    if key not in LABELS:
        LABELS[key] = superpixels(view.image, state["segments"])
    scores = superpixel_scores(heat, LABELS[key], state["statistic"])
    how = {"top": state["top"]} if state["choose"] == "top" else {"threshold": state["threshold"]}
    return {
        "map": M,
        "score": float(M.mean() + b),
        "bias": b,
        "on": on,
        "contributions": contributions,
        "bound": float(bound.max()) + ROUNDING,
        "score_bound": float(bound.mean()) + ROUNDING,
        "heat": heat,
        "slack": slack,
        "labels": LABELS[key],
        "scores": scores,
        "chosen": select(scores, **how),
        "averaged": paint(scores, LABELS[key]),
    }


def shares(view, state):
    """The share of every class in the map: 1 for the class, −q_j for its rivals."""
    q = np.zeros(len(view.scores))
    if state["kind"] != "cam":
        rivals = rival_shares(view, state["target"], state["against"])
        q[list(rivals)] = -np.array(list(rivals.values()))
    q[state["target"]] = 1
    return q


def bound_of(f, weights, scores, q, classes):
    """By how much the map of these shares can be off in each cell: the classes not offered travel as one."""
    offered = list(classes)
    left = np.setdiff1d(np.arange(len(scores)), offered)
    p = np.exp(scores[left] - scores[left].max())
    rows = np.vstack([weights[offered], (p / p.sum()) @ weights[left]])
    parts = np.append(np.abs(q[offered]), np.abs(q[left]).sum())
    return np.tensordot(parts, error_bound(f, rows), 1)


def second_bound(view, state, classes):
    """The same of the second look, whose maps travel finished: half a step of each."""
    maps = class_activation_map(view.feature_maps.astype(float), view.class_weights.astype(float))
    half = quantise(maps, 16).scale.astype(float) / 2
    return float(np.abs(shares(view, state)) @ half)


def probability(view, c, classes=None, on=None):
    """Softmax of class c among all classes, or among some, with some feature maps only."""
    scores = view.scores.astype(float)
    if classes is not None:
        scores = np.full(len(scores), -np.inf)
        F = view.feature_maps.mean(axis=(1, 2)) * on
        scores[list(classes)] = view.class_weights[list(classes)] @ F + view.bias[list(classes)]
    return float(np.exp(scores[c] - np.logaddexp.reduce(scores)))


# --- what the browser says -------------------------------------------------------------------------------

READ = """(root, sampled) => {
    const { state, result } = root.playground
    const text = name => root.querySelector(`[data-part=${name}]`).textContent
    const { scores, chosen, area, evidence } = result.regions ?? {}
    return {
        state: { ...state, off: [...state.off] },
        map: [...result.map], score: result.score, mean: result.mean, bias: result.bias,
        heat: [...result.heat.filter((_, i) => i % sampled === 0)],
        limit: result.limit, active: result.active, probability: result.probability,
        addsUp: result.addsUp, scores: scores && [...scores], chosen, area, evidence,
        size: [root.playground.photo.h, root.playground.photo.w],
        line: [text("mean"), text("plus"), text("bias"), text("score")],
        told: { title: text("title"), probability: text("probability"), exact: text("exact"),
                regions: text("chosen"), unit: text("unit"), readout: text("readout"),
                maps: text("offCount") },
    }
}"""


def seen(page, nth=0):
    return page.locator(".xai-play").nth(nth).evaluate(READ, SAMPLED)


def agrees(play, told):
    """Hold everything that the browser computed against the package. Returns what the package says."""
    state = told["state"]
    want = expected(play, state)
    got = np.reshape(told["map"], told["size"])
    assert np.abs(got - want["map"]).max() <= want["bound"]
    off = np.abs(np.array(told["heat"]) - want["heat"].ravel()[::SAMPLED])
    assert (off <= want["slack"].ravel()[::SAMPLED]).all()
    assert told["addsUp"] == (state["kind"] != "focus")
    if told["addsUp"]:
        adds_up(told, want)
    assert told["active"] == want["on"].sum()
    says_how_probable(play, told, want)
    if state["regions"]:
        regions_agree(told, want)
    return want


def adds_up(told, want):
    """Mean and bias are the score, the package's, and digit for digit where they are read."""
    assert abs(told["score"] - want["score"]) <= want["score_bound"]
    assert abs(told["mean"] + told["bias"] - told["score"]) < 1e-9
    mean, sign, bias, score = told["line"]
    read = [float(number.replace("−", "-")) for number in (mean, f"{sign}{bias}", score)]
    assert abs(read[0] + read[1] - read[2]) < 1e-9
    assert abs(read[2] - told["score"]) <= 5e-4 + 1e-12


def says_how_probable(play, told, want):
    state = told["state"]
    view = play.predictions[state["photo"]]
    complete = bool(want["on"].all())
    among = {} if complete else {"classes": play.classes, "on": want["on"]}
    p = probability(view, state["target"], **among)
    # a score that is off by ε moves a probability by at most p(1−p)·2ε
    reach = error_bound(view.feature_maps, view.class_weights[list(play.classes)]).mean(axis=(1, 2)).max()
    assert abs(told["probability"] - p) <= 2 * (reach + ROUNDING) * max(p * (1 - p), 0.02)
    words = "among all 1,000 classes" if complete else f"among the {len(play.classes)} offered classes"
    assert words in told["told"]["probability"]


def regions_agree(told, want):
    """Scores of the superpixels, which are chosen, and how much of the picture and the evidence they are."""
    state, scores = told["state"], np.array(told["scores"])
    slack = superpixel_scores(want["slack"], want["labels"], "max")
    assert (np.abs(scores - want["scores"]) <= slack).all()
    best = want["scores"].max()
    if state["choose"] == "threshold":
        border = state["threshold"] * best
    else:
        border = np.sort(want["scores"])[::-1][min(state["top"], len(scores)) - 1]
    doubtful = np.flatnonzero(np.abs(want["scores"] - max(border, 0)) <= 2 * slack.max())
    assert set(told["chosen"]) ^ set(want["chosen"].tolist()) <= set(doubtful.tolist())
    areas = np.bincount(want["labels"].ravel()) / want["labels"].size
    assert abs(told["area"] - areas[told["chosen"]].sum()) < 1e-9
    parts = told["addsUp"] and state["statistic"] == "mean"
    assert ("of the positive evidence" in told["told"]["regions"]) == parts
    evidence = areas * np.maximum(want["scores"], 0)
    if parts and evidence.sum() > 20 * slack.max() * areas.sum():
        share = evidence[told["chosen"]].sum() / evidence.sum()
        assert abs(told["evidence"] - share) <= 3 * slack.max() / evidence.sum()
