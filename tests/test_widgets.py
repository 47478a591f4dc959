"""The form, driven as a reader drives it, and its chapter's network of one's own.

Networks are small and random where only the arithmetic counts, and the real ResNet50 where the result does.
"""

import ast
import base64
import functools
import io
import os
import re
import subprocess
import sys
from datetime import datetime

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from notebook_samples import ROOT
from PIL import Image
from tiny_network import tiny
from torch import nn
from torchvision.models import resnet18

import xaicore.apps.form
from xaicore import GapClassifier, NotAGapClassifierError, cam, gap_classifier, load_network, sample_image
from xaicore.apps.form import explorer
from xaicore.explanation import Settings, controls, explain
from xaicore.live import STATIC
from xaicore.maps.kinds import KINDS
from xaicore.pictures.samples import sample_path
from xaicore.regions.segmenters import SEGMENTERS
from xaicore.show.explained import render

pytestmark = pytest.mark.usefixtures("no_figure_stays_open")

NOTEBOOK = nbformat.read(ROOT / "notebooks/05_your_own_photo.ipynb", as_version=4)


def same(a, b) -> bool:
    """Two explanations with the same numbers."""
    return (
        np.array_equal(a.map, b.map, equal_nan=True)
        and a.regions == b.regions
        and a.title == b.title
        and a.heat.total == b.heat.total
        and all(np.array_equal(x, y) for x, y in zip(a.heat.cells, b.heat.cells, strict=True))
    )


# --- the form ----------------------------------------------------------------------------------------------


@pytest.fixture
def passes(monkeypatch):
    """Counts forward passes."""
    count = []
    forward = GapClassifier.forward

    def counted(self, batch):
        count.append(len(batch))
        return forward(self, batch)

    monkeypatch.setattr(GapClassifier, "forward", counted)
    return count


@pytest.fixture
def models(one):
    def broken():
        raise RuntimeError("the host <b>does not</b> answer")

    return {"one": one, "two": lambda: tiny(2, 4), "broken": broken}


@pytest.fixture
def app(models):
    return explorer("coffee", models)


@pytest.mark.slow
def test_controls_do_not_run_the_network_again(app, passes):
    a, shown = app.sides[0], []
    best, other = (a.names[row.index] for row in a.prediction.top(2))
    inputs = app.inputs
    changes = [
        (a.target, other), (inputs["kind"], "contrast"), (a.against, best), (a.against, "all other classes"),
        (inputs["kind"], "cam"), (inputs["segments"], 30), (inputs["segmenter"], "watershed"),
        (inputs["segmenter"], "felzenszwalb"), (inputs["statistic"], "max"), (inputs["top"], 2),
        (app.choose, "threshold"), (inputs["threshold"], 0.3), (inputs["alignment"], "corners"),
        (inputs["sign"], "positive"), (inputs["opacity"], 0.4), (inputs["segmenter"], "none"),
        (inputs["segmenter"], "felzenszwalb"), (app.compare, True), (app.sides[1].target, other),
    ]  # fmt: skip
    for control, value in changes:
        before = app.picture.value
        control.value = value
        assert "Ready" in app.status.value, (control.description, app.status.value)
        shown.append(app.picture.value != before)
    assert passes == []
    assert all(shown), [c.description for (c, _), s in zip(changes, shown, strict=True) if not s]
    assert app.settings == Settings(
        segmenter="felzenszwalb",
        segments=30,
        statistic="max",
        top=None,
        threshold=0.3,
        alignment="corners",
        sign="positive",
        opacity=0.4,
    )


def test_a_kind_that_compares_sizes_looks_once_more(app, passes):
    app.inputs["kind"].value = "focus"
    assert "Ready" in app.status.value and len(passes) == 1  # the usual size was seen already
    app.inputs["segments"].value = 30
    app.inputs["kind"].value = "cam"
    app.inputs["kind"].value = "focus"
    assert len(passes) == 1
    assert "focus" in app.explanations[0].title and "adds up to no score" in app.words.value


def test_the_form_offers_what_is_registered(app):
    assert {value for _, value in app.inputs["kind"].options} >= set(KINDS)
    assert {value for _, value in app.inputs["segmenter"].options} >= {*SEGMENTERS, "none"}
    assert set(app.inputs) == {control.name for control in controls()}


def test_the_form_shows_what_explain_gives(app, one):
    app.sides[0].target.value, app.inputs["kind"].value = "bee", "contrast"
    app.sides[0].against.value = "elk"
    app.inputs["segments"].value = 25
    p = one.predict(sample_image("coffee"), "full")
    expected = explain(p, segments=25, kind="contrast", target="bee", against="elk")
    assert same(app.explanations[0], expected)
    assert "bee, not elk" in app.words.value and "bee, not elk" in app.picture.value
    assert f"{expected.heat.total:.2f}" in app.words.value


@pytest.mark.slow
def test_new_photo_network_and_input_run_it_once(app, passes):
    a = app.sides[0]
    a.sample.value = "goose"
    assert passes == [1] and a.picture.name == "goose"
    assert a.target.value == a.names[a.prediction.index()]
    a.network.value = "two"
    assert passes == [1, 4, 1, 1]  # four made-up pictures and one of another size verify the new network
    assert len(a.best.options) == 4 + 1
    a.network.value = "one"  # known already
    assert len(passes) == 4
    app.inputs["resize"].value = "squash"
    assert len(passes) == 6  # for goose and for the second side's coffee
    assert app.sides[1].picture.name == "coffee"


@pytest.mark.slow
def test_all_ways_to_a_photograph(app, tmp_path, web):
    a, goose = app.sides[0], sample_image("goose")
    path = tmp_path / "my goose.png"
    Image.fromarray(goose).save(path)
    a.address.value = str(path)
    assert np.array_equal(a.picture.image, goose) and a.sample.value == ""
    a.address.value = f"{web}/goose.jpg"
    assert "read_url" in a.picture.code
    data = sample_path("goose").read_bytes()
    file = {"name": "up.jpg", "type": "image/jpeg", "size": len(data), "content": memoryview(data)}
    a.upload.value = ({**file, "last_modified": datetime(2024, 1, 1)},)
    assert a.picture.name == "up.jpg" and np.array_equal(a.picture.image, goose)
    a.camera.value = "data:image/jpeg;base64," + base64.b64encode(data).decode()
    assert a.picture.name == "camera.jpg" and a.camera.value == ""
    assert "Ready" in app.status.value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("control", "value", "says"),
    [
        ("target", "be", "Did you mean"),
        ("against", "nobody", "No class is called"),
        ("against", "bee", "against itself"),
        ("network", "broken", "&lt;b&gt;does not&lt;/b&gt; answer"),
        ("address", "nothing.jpg", "Check the path"),
        ("address", "ftp://host/x.jpg", "has to begin with http"),
        ("camera", "data:image/jpeg;base64,?", "Take it again"),
    ],
)
def test_what_fails_is_said_and_leaves_all_as_it_was(app, control, value, says):
    app.inputs["kind"].value = "contrast"
    app.sides[0].target.value = "bee"
    app.sides[0].against.value = "elk"
    before, picture_before, code = app.explanations, app.picture.value, app.code
    getattr(app.sides[0], control).value = value
    assert "Not done" in app.status.value and 'role="alert"' in app.status.value
    assert says in app.status.value.replace("&#x27;", "'")
    assert (app.explanations, app.picture.value, app.code) == (before, picture_before, code)
    side = app.sides[0]
    assert (side.target.value, side.against.value, side.network.value) == ("bee", "elk", "one")
    assert side.sample.value == "coffee"
    app.inputs["opacity"].value = 0.3
    assert "Ready" in app.status.value
    assert app.bar.layout.visibility == "hidden"


def test_progress_is_shown_while_it_works(app, monkeypatch):
    said = []
    app.status.observe(lambda change: said.append((app.bar.layout.visibility, change["new"])), "value")
    app.sides[0].network.value = "two"
    app.inputs["segments"].value = 60
    for words in ("Loading two", "Running two", "superpixels", "Drawing"):
        assert any(words in text and visible == "visible" for visible, text in said), words


def test_classes_of_one_name_are_told_apart(app):
    app.sides[0].target.value = "crane (3)"
    assert app.explanations[0].heat.target.index == 3
    assert {"crane (2)", "crane (3)"} <= set(app.sides[0].target.options)
    assert sorted(app.sides[0].target.options) == sorted(app.sides[0].names)
    assert set(app.sides[0].against.options) > set(app.sides[0].names)


def test_best_answers_and_class_agree(app):
    a = app.sides[0]
    a.best.value = a.names[a.prediction.top(3)[2].index]
    assert a.target.value == a.best.value and app.explanations[0].heat.target == a.prediction.top(3)[2]


@pytest.mark.slow
def test_switched_off_is_what_has_no_effect(app):
    inputs = app.inputs
    inputs["segmenter"].value = "none"
    assert all(inputs[name].disabled for name in ("segments", "statistic", "top", "threshold"))
    inputs["segmenter"].value = "slic"
    assert not inputs["segments"].disabled and not inputs["top"].disabled and inputs["threshold"].disabled
    inputs["segmenter"].value = "quickshift"
    assert inputs["segments"].disabled
    assert app.sides[0].against.disabled
    inputs["kind"].value = "contrast"
    assert not app.sides[0].against.disabled


def test_every_control_has_a_label(app):
    def leaves(widget):
        for child in getattr(widget, "children", ()):
            yield from leaves(child)
        if not getattr(widget, "children", ()):
            yield widget

    inputs = [w for w in leaves(app.widget) if hasattr(w, "description") and hasattr(w, "disabled")]
    visible = [w for w in inputs if w.layout.display != "none"]
    assert len(visible) > 20
    assert all(w.description for w in visible)


# --- the snippet -------------------------------------------------------------------------------------------


def run_code(app, folder, models, monkeypatch):
    monkeypatch.chdir(folder)
    names = {"models": models}
    exec(compile(app.code, "explain.py", "exec"), names)
    return names["explanations"], render(names["figure"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sample", "path", "upload", "large", "two", "focus"])
def test_the_code_gives_the_same_picture(app, models, kind, tmp_path, monkeypatch, capsys):
    a, b = app.sides
    if kind == "path":
        path = tmp_path / 'my "best" goose.png'
        Image.fromarray(sample_image("goose")).save(path)
        a.address.value = str(path)
    elif kind == "large":
        path = tmp_path / "large.png"
        Image.fromarray(sample_image("goose")).resize((1500, 900)).save(path)
        a.address.value = str(path)
        assert "shrink" in app.code
    elif kind == "upload":
        a.camera.value = "x," + base64.b64encode(sample_path("goose").read_bytes()).decode()
    elif kind == "two":
        app.compare.value = True
        b.sample.value, b.network.value = "chelsea", "two"
        app.inputs["kind"].value = "contrast"
        b.against.value = next(name for name in b.names if name != b.target.value)
    elif kind == "focus":
        app.inputs["kind"].value = "focus"
    app.inputs["statistic"].value, app.choose.value, app.inputs["segments"].value = "median", "threshold", 45
    app.inputs["resize"].value = "squash"
    app.inputs["opacity"].value = 0.5
    assert "Ready" in app.status.value
    app.save(tmp_path)
    again, figure = run_code(app, tmp_path, models, monkeypatch)
    assert len(again) == len(app.explanations) == (2 if kind == "two" else 1)
    assert all(same(x, y) for x, y in zip(again, app.explanations, strict=True))
    assert figure == render(app.figure())
    assert capsys.readouterr().out.strip() == repr(again[0].regions).strip()


def test_the_code_names_the_weights_that_auto_found(resnet50, tmp_path, monkeypatch):
    loader = functools.partial(xaicore.apps.form.load_resnet50, "auto")
    app = explorer("coffee", {"resnet50": loader})
    assert f'load_resnet50("{resnet50.provenance.source}")' in app.code
    assert resnet50.provenance.sha256[:8] in app.code
    again, _ = run_code(app, tmp_path, {}, monkeypatch)
    assert same(again[0], app.explanations[0])
    assert app.explanations[0].heat.target == resnet50.predict(sample_image("coffee"), "full").score()


def test_save(app, tmp_path):
    app.folder.value = str(tmp_path / "new" / "folder")
    app.save_button.click()
    assert "Saved" in app.links.value and app.links.value.count("download=") == 4
    saved = {p.name: p.read_bytes() for p in (tmp_path / "new/folder").iterdir()}
    assert set(saved) == {"figure.png", "figure.svg", "explain.py", "regions.csv"}
    assert Image.open(io.BytesIO(saved["figure.png"])).size[0] > 1000
    assert b"<svg" in saved["figure.svg"][:600]
    assert saved["regions.csv"].decode() == app.explanations[0].regions.to_csv()
    assert saved["explain.py"].decode() == app.code
    app.folder.value = str(tmp_path / "new" / "folder" / "figure.png")
    app.save_button.click()
    assert "Not done" in app.status.value


def png(name):
    file = io.BytesIO()
    Image.fromarray(sample_image(name)).save(file, "PNG")
    return file.getvalue()


def upload(side, name, data):
    file = {"name": name, "type": "image/png", "size": len(data), "content": memoryview(data)}
    side.upload.value = ({**file, "last_modified": datetime(2024, 1, 1)},)


@pytest.mark.slow
def test_two_shots_have_two_names(app, tmp_path):
    app.compare.value = True
    for side, name in zip(app.sides, ("chelsea", "goose"), strict=True):
        side.camera.value = "x," + base64.b64encode(png(name)).decode()
    names = [side.picture.name for side in app.sides]
    assert names == ["camera.jpg", "camera-2.jpg"] and all(f'"{name}"' in app.code for name in names)
    app.save(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in names] == [png("chelsea"), png("goose")]
    app.sides[1].camera.value = "x," + base64.b64encode(png("chelsea")).decode()
    assert app.sides[1].picture.name == "camera.jpg"  # the same shot has the same name


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["figure.png", "Figure.PNG", "explain.py", "REGIONS.csv", "..", "é" * 200 + ".png"]
)
def test_an_upload_takes_no_other_file_s_name(app, tmp_path, name):
    upload(app.sides[0], name, png("goose"))
    paths = app.save(tmp_path)
    assert len({path.name.casefold() for path in paths}) == len(paths) == 5
    assert (tmp_path / app.sides[0].picture.name).read_bytes() == png("goose")
    assert b"xaicore" in (tmp_path / "explain.py").read_bytes()
    assert Image.open(tmp_path / "figure.png").size[0] > 1000


@pytest.mark.slow
def test_saving_replaces_nothing(app, tmp_path):
    (tmp_path / "Figure.svg").write_bytes(b"mine")
    upload(app.sides[0], "cup.png", png("goose"))
    first = app.save(tmp_path)
    assert {path.name for path in first} == {
        "figure-2.png", "figure-2.svg", "explain-2.py", "regions-2.csv", "cup-2.png",
    }  # fmt: skip
    assert '"cup-2.png"' in (tmp_path / "explain-2.py").read_text()
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert app.save(tmp_path) == first  # the same is there already
    app.inputs["opacity"].value = 0.3
    third = app.save(tmp_path)
    assert all("-3." in path.name for path in third)
    assert {path: path.read_bytes() for path in kept} == kept


@pytest.mark.slow
@pytest.mark.parametrize("place", [".", ".."])
def test_the_saved_code_runs(models, tmp_path, monkeypatch, place):
    """Beside a file named by its path, an upload, and a network that comes from a function by name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.png").write_bytes(png("chelsea"))
    torch.manual_seed(0)
    torch.save(resnet18(num_classes=3).state_dict(), "my.pth")
    loader = functools.partial(load_network, "torchvision:resnet18", checkpoint=str(tmp_path / "my.pth"))
    app = explorer("photos/cat.png", {"mine": loader})
    app.compare.value = True
    upload(app.sides[1], "cup.png", png("goose"))
    app.save("saved")
    folder = (tmp_path / "saved" / place).resolve()
    command = [sys.executable, os.path.relpath(tmp_path / "saved/explain.py", folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == repr(app.explanations[0].regions).strip()


@pytest.mark.slow
def test_an_array_is_saved_with_its_code(models, tmp_path):
    app = explorer(sample_image("coffee"), models)
    assert "photo.png" in {path.name for path in app.save(tmp_path)}
    assert np.array_equal(np.array(Image.open(tmp_path / "photo.png")), app.sides[0].picture.image)
    assert 'read_image("photo.png")' in app.code


def test_names_cannot_bring_markup(models):
    app = explorer(sample_image("coffee"), {"one": tiny(1, 2, ["<img src=x onerror=alert(1)>", "b"])})
    app.sides[0].target.value = "<img src=x onerror=alert(1)>"
    for widget in (app.picture, app.words, app.listing, app.status):
        assert "<img src=x" not in widget.value


# --- in a notebook -----------------------------------------------------------------------------------------


@pytest.mark.notebooks
@pytest.mark.parametrize("static", [True, False])
def test_run_by_a_program_it_is_a_form_unless_the_outputs_are_for_the_book(static):
    """Voilà and papermill run cells as here, without a way to ask; in the book's file stands no widget."""
    from nbclient import NotebookClient

    source = (
        "import torch\nfrom xaicore import gap_classifier\nfrom xaicore.apps.form import explorer\n"
        "layers = [torch.nn.Conv2d(3, 4, 32, 32), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]\n"
        "net = torch.nn.Sequential(*layers, torch.nn.Linear(4, 2))\n"
        "explorer('coffee', {'net': gap_classifier(net), 'late': lambda: gap_classifier(net)})"
    )
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(nb, timeout=120).execute(env=os.environ | {STATIC: "1" if static else ""})
    (output,) = nb.cells[0].outputs
    assert ("image/png" if static else "image/jpeg") in output.data  # also for who can't show widgets
    assert ("application/vnd.jupyter.widget-view+json" in output.data) is not static


def test_a_missing_ipywidgets_is_said(one, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match="pip install ipywidgets"):
        explorer("coffee", {"one": one})


# --- the chapter: a network of one's own -------------------------------------------------------------------


def cells_of_training() -> str:
    """The chapter's own code, from the photographs of surfaces to the measured maps."""
    sources = [cell.source for cell in NOTEBOOK.cells if cell.cell_type == "code"]
    first = next(i for i, s in enumerate(sources) if s.startswith("surfaces ="))
    last = next(i for i, s in enumerate(sources) if "def share_inside" in s)
    imports = next(s for s in sources if s.startswith("import copy")).partition("show.use_book_style")[0]
    return "\n\n".join([imports, *sources[first : last + 1]])


@pytest.fixture(scope="module")
def trained(resnet50):
    names = {"model": resnet50}
    exec(compile(cells_of_training(), "chapter 5", "exec"), names)
    plt.close("all")
    return names


def test_the_test_patches_are_held_out(trained):
    """No column is in a training patch and in a test patch."""
    seen = []

    class Spy:
        def __getitem__(self, where):
            seen.append(where[1])
            return np.zeros((224, 224, 3), np.uint8)

    rng = np.random.default_rng(5)
    for left, right in ((0, trained["border"]), (trained["border"], 512)):
        seen.clear()
        trained["patches"](Spy(), left, right, 200, rng)
        assert min(s.start for s in seen) == left and max(s.stop for s in seen) <= right


def test_the_trained_network_knows_held_out_patches(trained):
    for stage in ("trained head", "trained block"):
        own = trained["stages"][stage]
        found = [p.index() for p in own.predict_many(trained["test"])]
        assert np.mean(np.array(found) == trained["y_test"].numpy()) > 0.9
        assert np.mean(np.array(found) == trained["y_test"].numpy()) == pytest.approx(trained["right"][stage])


def test_its_map_is_complete_and_lies_on_the_right_patch(trained):
    for own in trained["stages"].values():
        p = own.predict(trained["sheet"], "full")
        assert p.feature_maps.shape[1:] == (7, 21)
        maps = cam(p, range(3))
        assert np.allclose(maps.mean(axis=(1, 2)) + own.bias, p.scores, atol=1e-3)
        direct = own.network(own.preprocessing.normalise(p.input_image)[None])
        assert np.allclose(direct.detach().numpy()[0], p.scores, atol=1e-3)
    for stage in ("trained head", "trained block"):
        maps = cam(trained["stages"][stage].predict(trained["sheet"], "full"), range(3))
        thirds = maps.reshape(3, 7, 3, 7).mean(axis=(1, 3))
        assert [trained["order"][k] for k in thirds.argmax(axis=1)] == [0, 1, 2]


def test_only_the_last_block_and_the_head_were_trained(trained, resnet50):
    before, after = resnet50.network.state_dict(), trained["stages"]["trained block"].network.state_dict()
    changed = {
        name
        for name in after
        if after[name].shape != before[name].shape or not torch.equal(after[name], before[name])
    }
    assert changed and all(name.startswith(("fc.", "layer4.2.")) for name in changed)
    assert not any("running" in name for name in changed)


def captum_code() -> str:
    """The block of the chapter that isn't run there: it names a network of the reader's."""
    text = next(c.source for c in NOTEBOOK.cells if "from captum" in c.source)
    return re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]


def test_the_chapter_s_gradient_code_runs_and_equals_cam_over_cells(one):
    ast.parse(captum_code())
    image = one.preprocessing.normalise(one.preprocessing.fit(sample_image("coffee"))[0])[None]
    names = {"network": one.network, "layer": one.network[1], "x": image, "c": 4}
    exec(captum_code(), names)
    want = cam(one.predict(sample_image("coffee")), 4) / 49
    assert np.allclose(names["hirescam"], want, atol=1e-5)
    assert np.allclose(names["gradcam"], want, atol=1e-5)


def test_the_gradient_code_runs_where_there_is_no_exact_cam():
    """A network with two linear layers and ReLU between: refused, but it has gradients."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 12, 32, 32), nn.ReLU(), nn.Flatten(), nn.Linear(588, 20), nn.ReLU(), nn.Linear(20, 5)
    ).eval()
    with pytest.raises(NotAGapClassifierError, match="places don't count alike"):
        gap_classifier(network)
    x = torch.randn(1, 3, 224, 224)
    names = {"network": network, "layer": network[1], "x": x, "c": 2}
    exec(captum_code(), names)
    assert names["hirescam"].shape == names["gradcam"].shape == (7, 7)
    assert abs(names["hirescam"].sum() - network(x)[0, 2].item()) > 1e-3
