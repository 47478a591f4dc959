"""The form is recognised by measuring: every spelling of it is found and exact, near misses are refused."""

import warnings
from types import MethodType

import numpy as np
import pytest
import torch
from gap_networks import ENDINGS, HEADS, NEAR_MISSES, POOLINGS, SIDE, C, K, Near, Net, Skips
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from xaicore import cam, gap_classifier
from xaicore.networks.gap import GapClassifier, NotAGapClassifierError, Preprocessing

SMALL = Preprocessing(SIDE, SIDE)
PHOTO = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)


def spelled(pooling: str, head: str, ending: str, seed: int = 0, signed: bool = False) -> Net:
    torch.manual_seed(seed)
    pool, linear, finish = POOLINGS[pooling], HEADS[head]().eval(), ENDINGS[ending]

    class Tail(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = linear

        def forward(self, f: Tensor) -> object:
            return finish(self.linear(pool(f)))

    return Net(Tail, signed, seed=seed)


def check_exact(net: Net, model: GapClassifier) -> None:
    """The scores are the network's own, and the maps add up to them, on a picture seen for the first time."""
    p = model.predict(PHOTO)
    x = SMALL.normalise(p.input_image)[None]
    with torch.no_grad():
        own = net.tail.linear(POOLINGS[net.pooling](net.body(x)))[0].numpy()  # type: ignore[attr-defined]
    size = np.abs(own).max()
    assert np.abs(p.scores - own).max() < 1e-5 * size
    maps = cam(p, range(C))
    assert maps.shape[1] * maps.shape[2] > 1
    assert np.abs(maps.mean(axis=(1, 2)) + p.bias - own).max() < 1e-4 * size


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(POOLINGS)),
    st.sampled_from(sorted(HEADS)),
    st.sampled_from(sorted(ENDINGS)),
    st.integers(0, 9999),
    st.booleans(),
)
def test_any_spelling_is_found_and_exact(
    pooling: str, head: str, ending: str, seed: int, signed: bool
) -> None:
    net = spelled(pooling, head, ending, seed, signed)
    net.pooling = pooling  # type: ignore[assignment]
    model = gap_classifier(net, preprocessing=SMALL)
    check_exact(net, model)
    assert model.ending == (ending if ending in ("softmax", "log_softmax", "sigmoid") else "")
    assert model.activation == ("sigmoid" if ending == "sigmoid" else "softmax")


@pytest.mark.parametrize("pooling", [p for p in POOLINGS if "by the picture" not in p])
def test_every_pooling_gives_the_maps_of_the_layers(pooling: str) -> None:
    """w·f with the head's own w, and the last maps that there are."""
    net = spelled(pooling, "linear", "")
    model = gap_classifier(net, preprocessing=SMALL)
    x = SMALL.normalise(SMALL.fit(PHOTO)[0])[None]
    f = net.body(x)[0]
    if pooling == "weighted places":
        f = f * torch.linspace(-1, 2, 64).view(8, 8)
    if pooling == "2×2 averages, then the rest":
        f = nn.functional.avg_pool2d(f, 2)
    want = torch.einsum("ck,khw->chw", net.tail.linear.weight, f).detach().numpy()
    assert np.abs(cam(model.predict(PHOTO), range(C)) - want).max() < 1e-5
    assert model.head == "tail.linear"
    assert np.array_equal(model.class_weights, net.tail.linear.weight.detach().numpy())
    assert np.array_equal(model.bias, net.tail.linear.bias.detach().numpy())


def test_a_convolution_before_the_pooling_leaves_a_map_for_each_class() -> None:
    tail = nn.Sequential(nn.Conv2d(K, C, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = gap_classifier(Net(tail), preprocessing=SMALL)
    assert np.array_equal(model.class_weights, np.eye(C))
    assert "classes" in repr(model)
    p = model.predict(PHOTO)
    assert np.allclose(cam(p, range(C)).mean((1, 2)) + p.bias, p.scores, atol=1e-6)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(sorted(NEAR_MISSES)),
    st.integers(0, 9999),
    st.booleans(),
    st.sampled_from([0.02, 0.3, 1.0, 20.0]),
)
def test_no_near_miss_is_accepted(name: str, seed: int, signed: bool, strength: float) -> None:
    net = Net(Near(name, seed, strength), signed, seed=seed)
    with pytest.raises(NotAGapClassifierError) as error:
        gap_classifier(net, preprocessing=SMALL)
    assert "Grad-CAM" in str(error.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hardswish after pooling", "not linear.*hardswish"),
        ("layer norm after pooling", "not linear.*native_layer_norm"),
        ("maximum pooling", "more than each map's average.*amax"),
        ("generalised mean", "not linear.*pow"),
        ("brightest 36 places", "not those of the picture"),
        ("2×2 averages", "places don't count alike"),
        ("one place", "places don't count alike.*select"),
    ],
)
def test_a_refusal_names_the_property_that_fails_and_how_much(name: str, reason: str) -> None:
    with pytest.raises(NotAGapClassifierError, match=rf"(?s){reason}") as error:
        gap_classifier(Net(Near(name)), preprocessing=SMALL)
    if "%" in str(error.value):  # else it says how many times as much
        assert 0.1 < float(str(error.value).split(" by ")[1].split("%")[0]) < 1e4


@pytest.mark.parametrize("seed", range(5))
def test_scores_that_also_depend_on_an_early_layer_are_refused(seed: int) -> None:
    with pytest.raises(NotAGapClassifierError, match=r"something besides|misses"):
        gap_classifier(Skips(seed), preprocessing=SMALL)


class Tail(Net):
    """The body, and a function of its maps and the linear layer."""

    def __init__(self, tail: object, channels: int = K) -> None:
        super().__init__(nn.Identity())
        self.fc, self.rest = nn.Linear(channels, C), tail

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self, x)  # type: ignore[operator, no-any-return]


MISPLACED = {
    "upside down": lambda n, x: n.fc(n.body(x).flip((2, 3)).mean((2, 3))),
    "mirrored input": lambda n, x: n.fc(n.body(x.flip(3)).mean((2, 3))),
    "turned input": lambda n, x: n.fc(n.body(x.transpose(2, 3)).mean((2, 3))),
    "two views side by side": lambda n, x: n.fc(torch.cat([n.body(x), n.body(x.flip(3))], 3).mean((2, 3))),
    "heads of attention": lambda n, x: n.fc(n.body(x).flatten(2).view(len(x), K, 2, 32).mean((2, 3))),
}


@pytest.mark.parametrize("name", MISPLACED)
def test_places_that_are_not_the_pictures_are_refused(name: str) -> None:
    """A map would be drawn on the wrong pixels."""
    with pytest.raises(NotAGapClassifierError, match=r"not those of the picture|not the picture's"):
        gap_classifier(Tail(MISPLACED[name]), preprocessing=SMALL)


def test_the_map_before_a_blown_up_average_counts() -> None:
    """An average spread over a grid again is the same everywhere, and no map."""

    def tail(n: Tail, x: Tensor) -> Tensor:
        average = nn.functional.adaptive_avg_pool2d(n.body(x), 1)
        return n.fc(nn.functional.interpolate(average, size=(7, 7)).mean((2, 3)))  # type: ignore[no-any-return]

    assert gap_classifier(Tail(tail), preprocessing=SMALL).predict(PHOTO).feature_maps.shape == (K, 8, 8)


def test_two_averages_of_one_map_are_one_head() -> None:
    def tail(n: Tail, x: Tensor) -> Tensor:
        f = n.body(x)
        both = [f.mean((2, 3)), nn.functional.avg_pool2d(f, 2).mean((2, 3))]
        return n.fc(torch.cat(both, 1))  # type: ignore[no-any-return]

    net = Tail(tail, 2 * K).eval()
    model = gap_classifier(net, preprocessing=SMALL)
    w = net.fc.weight.detach().numpy()
    assert np.allclose(model.class_weights, w[:, :K] + w[:, K:], atol=1e-6)


def test_scores_written_into_slices() -> None:
    def tail(n: Tail, x: Tensor) -> Tensor:
        f, out = n.body(x).mean((2, 3)), torch.zeros(len(x), C)
        for c in range(C):
            out[:, c] = f @ n.fc.weight[c] + n.fc.bias[c]
        return out

    net = Tail(tail).eval()
    model = gap_classifier(net, preprocessing=SMALL)
    assert np.allclose(model.predict(PHOTO).scores, own_scores(net, model), atol=1e-6)


def test_a_module_that_is_called_again_after_it_gave_the_maps() -> None:
    def tail(n: Tail, x: Tensor) -> Tensor:
        g = n.again(n.body(x))
        n.again(n.again(g * 2))
        return n.fc(g.mean((2, 3)))  # type: ignore[no-any-return]

    net = Tail(tail)
    net.again = nn.Tanh()
    model = gap_classifier(net.eval(), preprocessing=SMALL)
    assert model.features == "again"
    assert np.allclose(model.predict(PHOTO).scores, own_scores(net, model), atol=1e-6)


def test_small_outputs_are_compared_as_strictly_as_large_ones() -> None:
    class Thrice(nn.DataParallel):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 3  # type: ignore[no-any-return]

    net = Net(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(K, C), nn.Sigmoid()))
    with torch.no_grad():
        net.tail[2].bias.fill_(-12.0)
    with pytest.raises(NotAGapClassifierError, match="other scores than its copy"):
        gap_classifier(Thrice(net), preprocessing=SMALL)


def test_a_faint_second_path_under_a_large_bias_is_refused() -> None:
    def tail(n: Tail, x: Tensor) -> Tensor:
        early = n.body[:2](x)
        return n.fc(n.body[2:](early).mean((2, 3))) + 2e-3 * n.second(early.amax((2, 3)))  # type: ignore[no-any-return]

    net = Tail(tail)
    net.second = nn.Linear(4, C)
    with torch.no_grad():
        net.fc.bias.add_(50)
    with pytest.raises(NotAGapClassifierError):
        gap_classifier(net, preprocessing=SMALL)


def test_dropout_inside_forward_is_refused() -> None:
    net = Tail(lambda n, x: n.fc(nn.functional.dropout(n.body(x), 0.3, True).mean((2, 3))))
    with pytest.raises(NotAGapClassifierError):
        gap_classifier(net, preprocessing=SMALL)


def test_a_network_that_takes_pictures_only_gets_pictures() -> None:
    class Strict(Tail):
        def forward(self, x: Tensor) -> Tensor:
            assert x.min() >= 0 and x.max() <= 1, "values lie in [0, 1]"
            return super().forward(x)

    plain = Preprocessing(SIDE, SIDE, (0.0,) * 3, (1.0,) * 3)
    net = Strict(lambda n, x: n.fc(n.body(x.sqrt()).mean((2, 3))))
    assert gap_classifier(net, preprocessing=plain).head == "fc"


def test_one_number_of_another_type_and_a_grey_gate_change_nothing() -> None:
    def tail(n: Tail, x: Tensor) -> Tensor:
        gate = n.gate(x.mean(1, keepdim=True)).sigmoid()
        return n.fc(n.body(x * gate).mean((2, 3))) / n.temperature  # type: ignore[no-any-return]

    net = Tail(tail)
    net.temperature = nn.Parameter(torch.ones((), dtype=torch.float64))
    modules = dict(net.named_children())
    for name in modules:
        delattr(net, name)
    net.gate = nn.Conv2d(1, 1, 3, padding=1)  # the first convolution there is
    for name, module in modules.items():
        setattr(net, name, module)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(gap_classifier(net, preprocessing=SMALL).preprocessing.mean) == 3


def test_a_lazy_network_is_told_to_run_first() -> None:
    net = nn.Sequential(Net(nn.Identity()).body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(C))
    with pytest.raises(ValueError, match="run it once"):
        gap_classifier(net, preprocessing=SMALL)


def test_scores_of_another_shape_are_refused() -> None:
    for reshape in (lambda s: s.view(-1), lambda s: s.view(len(s), 1, C), lambda s: s[:, :, None, None]):
        net = Net(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(K, C)))
        net.register_forward_hook(lambda m, args, out, change=reshape: change(out))  # type: ignore[misc]
        with pytest.raises(NotAGapClassifierError, match=r"shape \(N, C\)"):
            gap_classifier(net, preprocessing=SMALL)


# --- networks as people have them --------------------------------------------------------------------------


def usual(outputs: int = C, channels: int = 3) -> Net:
    tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(K, outputs))
    return Net(tail, channels=channels).eval()


def own_scores(net: nn.Module, model: GapClassifier) -> np.ndarray:
    x = model.preprocessing.normalise(model.preprocessing.fit(PHOTO)[0])[None]
    with torch.no_grad():
        return net(x)[0].float().numpy()  # type: ignore[no-any-return]


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_wrapped_compiled_and_scripted_networks() -> None:
    net = usual()
    x = torch.zeros(1, 3, SIDE, SIDE)
    for wrapped in (
        nn.DataParallel(net),
        torch.optim.swa_utils.AveragedModel(net),
        torch.compile(net),
        torch.jit.script(net),
        torch.jit.trace(net, x),
        torch.jit.freeze(torch.jit.script(net)),
    ):
        model = gap_classifier(wrapped, preprocessing=SMALL)  # type: ignore[arg-type]
        p = model.predict(PHOTO)
        assert np.allclose(p.scores, own_scores(net, model), atol=1e-5), type(wrapped)
        assert np.allclose(cam(p, range(C)).mean((1, 2)) + p.bias, p.scores, atol=1e-5)


def test_a_compiled_part_inside_a_network() -> None:
    net = usual()
    net.body.compile()
    assert gap_classifier(net, preprocessing=SMALL).features == "body"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_of_number_run_as_they_are(dtype: torch.dtype) -> None:
    net = usual().to(dtype)
    model = gap_classifier(net, preprocessing=SMALL)
    x = SMALL.normalise(SMALL.fit(PHOTO)[0])[None].to(dtype)
    with torch.no_grad():
        assert np.array_equal(model.predict(PHOTO).scores, net(x)[0].float().numpy())
    assert next(model.network.parameters()).dtype == dtype


def test_a_near_miss_in_half_precision_is_refused_too() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        with pytest.raises(NotAGapClassifierError):
            gap_classifier(Net(Near("GELU between two linear")).to(dtype), preprocessing=SMALL)


def test_mixed_precision_inside_forward_is_refused() -> None:
    class Mixed(Net):
        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return super().forward(x)  # type: ignore[no-any-return]

    net = Mixed(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(K, C)))
    with pytest.raises(NotAGapClassifierError, match="bfloat16"):
        gap_classifier(net, preprocessing=SMALL)


def test_hooks_and_a_patched_forward_count() -> None:
    """What the caller's network returns is what is explained, or it is refused: never another network."""
    scaled, halved, patched = usual(), usual(), usual()
    scaled.register_forward_hook(lambda m, args, out: out * 3)
    halved.register_forward_pre_hook(lambda m, args: (args[0] / 2,))
    patched.forward = MethodType(lambda self, x: type(self).forward(self, x) + 7, patched)  # type: ignore[method-assign]
    for net in (scaled, halved, patched):
        model = gap_classifier(net, preprocessing=SMALL)
        assert np.allclose(model.predict(PHOTO).scores, own_scores(net, model), atol=1e-5)


def test_a_hook_on_a_wrapper_is_not_dropped_silently() -> None:
    wrapper = nn.DataParallel(usual())
    wrapper.register_forward_hook(lambda m, args, out: out * 3)
    with pytest.raises(NotAGapClassifierError, match="other scores than its copy"):
        gap_classifier(wrapper, preprocessing=SMALL)


def test_another_tools_hooks_get_tensors_and_stay() -> None:
    net, kept = usual(), []
    net.body.register_forward_hook(lambda m, args, out: kept.append(out))
    model = gap_classifier(net, preprocessing=SMALL)
    assert all(type(value) is Tensor for value in kept)
    assert len(net.body._forward_hooks) == 1
    assert model.features == "body"


def test_control_flow_shape_checks_and_shared_activations() -> None:
    class Branching(Net):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[1] != 3:
                raise ValueError("three channels")
            if float(x.mean()) > 0:
                x = -x
            return super().forward(x)  # type: ignore[no-any-return]

    net = Branching(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(K, C))).eval()
    net.body[1] = net.body[4]  # one ReLU, called twice
    model = gap_classifier(net, preprocessing=SMALL)
    assert np.allclose(model.predict(PHOTO).scores, own_scores(net, model), atol=1e-5)


def test_a_map_that_no_module_returns() -> None:
    class Functional(Net):
        def forward(self, x: Tensor) -> Tensor:
            return self.tail(self.body(x).exp())  # type: ignore[no-any-return]

    net = Functional(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(K, C))).eval()
    model = gap_classifier(net, preprocessing=SMALL)
    assert model.features == "exp"
    assert model.extractor.place.module is None
    p = model.predict(PHOTO, "full")
    assert np.allclose(cam(p, range(C)).mean((1, 2)) + p.bias, p.scores, atol=1e-5)


def test_training_mode_and_channels_last() -> None:
    net = usual().train().to(memory_format=torch.channels_last)
    model = gap_classifier(net, preprocessing=SMALL)
    assert net.training
    assert net.body.training
    assert np.allclose(model.predict(PHOTO).scores, own_scores(net.eval(), model), atol=1e-5)


def test_computed_weights_are_copied() -> None:
    from torch.nn.utils import prune

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        normed, pruned = usual(), usual()
        nn.utils.weight_norm(normed.tail[2])
        prune.l1_unstructured(pruned.tail[2], "weight", amount=0.5)
    for net in (normed, pruned):
        net(torch.zeros(1, 3, SIDE, SIDE)).sum().backward()
        model = gap_classifier(net, preprocessing=SMALL)
        assert np.allclose(model.class_weights, net.tail[2].weight.detach().numpy(), atol=1e-6)


def test_a_network_that_takes_one_size_only_says_so() -> None:
    tail = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(K, C))
    model = gap_classifier(Net(tail), preprocessing=SMALL)
    assert model.only_size == SIDE
    assert model.predict(PHOTO, "squash").feature_maps.shape == (K, 8, 8)
    for look in (
        lambda: model.predict(np.zeros((40, 90, 3), np.uint8), "full"),
        lambda: model.look(PHOTO, (1, 2)),
    ):
        with pytest.raises(ValueError, match=r"32×32 pixels only.*squash"):
            look()
    assert gap_classifier(usual(), preprocessing=SMALL).only_size is None


def test_a_class_token_among_the_averaged_is_refused() -> None:
    class Tokens(Net):
        def forward(self, x: Tensor) -> Tensor:
            tokens = self.body(x).flatten(2).transpose(1, 2)
            tokens = torch.cat([tokens.amax(1, keepdim=True), tokens], 1) * 1.0
            return self.tail(tokens.mean(1))  # type: ignore[no-any-return]

    with pytest.raises(NotAGapClassifierError, match=r"class token"):
        gap_classifier(Tokens(nn.Linear(K, C)), preprocessing=SMALL)


def test_a_quantised_network_is_refused_by_name() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = torch.ao.quantization.quantize_dynamic(usual(), {nn.Linear}, dtype=torch.qint8)
        with pytest.raises(NotAGapClassifierError, match="quantised"):
            gap_classifier(net, preprocessing=SMALL)


def test_a_single_cell_warns_and_says_what_to_do() -> None:
    body = nn.Sequential(nn.Conv2d(3, K, 32, stride=32), nn.ReLU())
    net = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(K, C))
    with pytest.warns(UserWarning, match=r"single cell.*crop_size=64"):
        model = gap_classifier(net, preprocessing=SMALL)
    assert model.predict(PHOTO).feature_maps.shape == (K, 1, 1)
    convolutional = nn.Sequential(  # VGG as convolutions: one cell after 8×8 of them, and a ReLU behind it
        Net(nn.Identity()).body, nn.Conv2d(K, 7, 8), nn.ReLU(), nn.Conv2d(7, C, 1), nn.Flatten()
    )
    with pytest.raises(NotAGapClassifierError):
        gap_classifier(convolutional, preprocessing=SMALL)


# --- outputs, channels, decisions ----------------------------------------------------------------------


def test_which_output_are_the_scores() -> None:
    class Two(Net):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            pooled = self.body(x).mean((2, 3))
            return pooled, self.tail(pooled)

    net = Two(nn.Linear(K, C))
    with pytest.warns(UserWarning, match="output="):
        assert len(gap_classifier(net, preprocessing=SMALL).categories) == K
    model = gap_classifier(net, preprocessing=SMALL, output=1)
    assert model.head == "tail"
    with pytest.raises(ValueError, match="returns 0, 1"):
        gap_classifier(net, preprocessing=SMALL, output=2)
    with pytest.raises(ValueError, match="Leave output= out"):
        gap_classifier(usual(), preprocessing=SMALL, output=0)
    text = Net(lambda f: "scores")  # type: ignore[arg-type]
    with pytest.raises(NotAGapClassifierError, match="returns str"):
        gap_classifier(text, preprocessing=SMALL)


def test_one_channel_or_four() -> None:
    for channels in (1, 4):
        with pytest.warns(UserWarning, match=rf"takes {channels} channel"):
            model = gap_classifier(usual(channels=channels), preprocessing=SMALL)
        assert len(model.preprocessing.mean) == channels
        assert model.predict(PHOTO).scores.shape == (C,)
    given = Preprocessing(SIDE, SIDE, (0.5,), (0.25,))
    model = gap_classifier(usual(channels=1), preprocessing=given)
    assert model.preprocessing == given
    with pytest.raises(ValueError, match="channels"):
        gap_classifier(usual(channels=7), preprocessing=SMALL)


def test_one_logit_is_a_decision_with_two_sides() -> None:
    net = usual(1)
    with torch.no_grad():
        net.tail[2].bias.fill_(-3.0)
    yes = gap_classifier(net, preprocessing=SMALL, categories=["tumour"]).predict(PHOTO)
    z = float(own_scores(net, gap_classifier(net, preprocessing=SMALL))[0])
    assert yes.scores.shape == (1,)
    assert np.isclose(yes.probabilities[0], 1 / (1 + np.exp(-z)))
    both = gap_classifier(net, preprocessing=SMALL, categories=["benign", "malignant"]).predict(PHOTO)
    assert both.top(1)[0].name == "benign"
    assert np.allclose(both.scores, [-z, z], atol=1e-5)
    assert np.isclose(both.probabilities.sum(), 1)
    assert np.allclose(cam(both, "benign"), -cam(both, "malignant"))
    assert np.allclose(cam(both, range(2)).mean((1, 2)) + both.bias, both.scores, atol=1e-5)
    with pytest.raises(ValueError, match="softmax"):
        gap_classifier(net, preprocessing=SMALL, activation="softmax")


def test_one_logit_without_its_axis() -> None:
    """(N,), as after squeeze(1), is one logit."""
    net = usual(1)
    net.register_forward_hook(lambda m, args, out: out.squeeze(1))
    assert gap_classifier(net, preprocessing=SMALL).predict(PHOTO).one_logit
    net.register_forward_hook(lambda m, args, out: out.sigmoid())
    model = gap_classifier(net, preprocessing=SMALL)
    assert model.ending == "sigmoid"


def test_independent_classes() -> None:
    net = usual(3)
    with torch.no_grad():
        net.tail[2].weight.zero_()
        net.tail[2].bias.copy_(torch.tensor([4.0, 4.0, -4.0]))
    model = gap_classifier(net, preprocessing=SMALL, activation="sigmoid")
    p = model.predict(PHOTO)
    assert np.allclose(p.probabilities, [0.982, 0.982, 0.018], atol=1e-3)
    assert not p.one_logit
    ended = nn.Sequential(usual(3), nn.Softmax(1))
    with pytest.raises(ValueError, match="ends in a softmax"):
        gap_classifier(ended, preprocessing=SMALL, activation="sigmoid")
    with pytest.raises(ValueError, match="choose 'softmax' or 'sigmoid'"):
        gap_classifier(net, preprocessing=SMALL, activation="tanh")  # type: ignore[arg-type]


def test_a_network_of_the_form_runs_on_sixteen_pictures_to_be_recognised() -> None:
    """Two to find f, five for its places, four to verify, one of another size, and two each of the copy and
    the caller's own.
    """
    net, pictures = usual(), []
    net.register_forward_pre_hook(lambda m, args: pictures.append(len(args[0])))
    gap_classifier(net, preprocessing=SMALL)
    assert sum(pictures) == 16


def test_a_network_that_computes_nan_says_so() -> None:
    net = usual()
    with torch.no_grad():
        net.body[0].weight.fill_(float("nan"))
    with pytest.raises((NotAGapClassifierError, ValueError)):
        gap_classifier(net, preprocessing=SMALL)
