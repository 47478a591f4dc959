"""Names of classes: tables of them as they come, and which class a name means."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models import ResNet50_Weights

from xaicore.networks.names import class_index, class_names, wordnet_ids

IMAGENET = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
SAMPLES = Path("/work/shared/data/imagenet-samples/manifest.csv")

# --- tables of names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "categories",
    [
        ["ant", "bee", "cat"],
        ("ant\n", " bee\r\n", "\tcat "),
        np.array(["ant", "bee", "cat"]),
        [b"ant", b"bee", b"cat"],
        (name for name in ("ant", "bee", "cat")),
        {0: "ant", 1: "bee", 2: "cat"},
        {2: "cat", 0: "ant", 1: "bee\n"},
        {"2": "cat", "0": "ant", "1": "bee"},
        {np.int64(1): "bee", np.int64(0): "ant", np.int64(2): "cat"},
        {"cat": 2, "ant": 0, "bee": 1},
        {"cat": "2", "ant": "0", "bee": "1"},
        {"cat": torch.tensor(2), "ant": torch.tensor(0), "bee": torch.tensor(1)},
    ],
)
def test_names_in_every_form_that_they_come_in(categories):
    assert class_names(categories, 3) == ("ant", "bee", "cat")


def test_names_that_are_numbers_or_none():
    assert class_names(None, 2) == ("class 0", "class 1")
    assert class_names(range(3), 3) == class_names(np.arange(3), 3) == ("0", "1", "2")
    # ten folders called 0 to 9 and more, sorted as text: the names are the keys
    assert class_names({"0": 0, "1": 1, "10": 2, "2": 3}, 4) == ("0", "1", "10", "2")
    assert class_names({0: 7, 1: 5}, 2) == ("7", "5")
    assert class_names({"1": "7", "0": "5"}, 2) == ("5", "7")
    assert class_names(["crane", "crane"], 2) == ("crane", "crane")


@pytest.mark.parametrize(
    ("categories", "words"),
    [
        ("ant", "one text"),
        ("abc", "one text"),
        (b"abc", "one text"),
        ({"ant", "bee", "cat"}, "set, which has no order"),
        (["ant", "bee"], "2 class names for a network of 3"),
        (["ant", "bee", "cat", "dog"], "4 class names for a network of 3"),
        ({1: "ant", 2: "bee", 3: "cat"}, r"0 to 2, each once: none has \[0\], too many have \[3\]"),
        ({0: "ant", 2: "cat"}, r"none has \[1\]"),
        ({"ant": 0, "bee": 1, "cat": 1}, r"none has \[2\], too many have \[1\]"),
        ({0: "ant", "0": "bee", 1: "cat", 2: "dog"}, r"too many have \[0\]"),
        ({"ant": "x", "bee": "y", "cat": "z"}, "dict without an index"),
        ({"ant": 0.5, "bee": 1, "cat": 2}, "dict without an index"),
        ({"0": ["n01440764", "tench"], "1": ["n", "b"], "2": ["n", "c"]}, "of type list, not text"),
        (["ant", None, "cat"], "of type NoneType, not text"),
        (5, "of type int"),
    ],
)
def test_names_that_are_no_table_are_refused(categories, words):
    with pytest.raises(ValueError, match=words) as refused:
        class_names(categories, 3)
    assert "names" in str(refused.value) or "name" in str(refused.value)


@given(
    names=st.lists(st.text(min_size=1).map(str.strip), min_size=1, max_size=12, unique=True), data=st.data()
)
def test_any_table_gives_the_same_names(names, data):
    order = data.draw(st.permutations(range(len(names))))
    expected = tuple(names)
    assert class_names(names, len(names)) == expected
    assert class_names({c: names[c] for c in order}, len(names)) == expected
    assert class_names({str(c): names[c] for c in order}, len(names)) == expected
    assert class_names({names[c]: c for c in order}, len(names)) == expected


# --- which class a name means ------------------------------------------------------------------------------


def test_an_index_is_a_class():
    names = ["tabby", "tiger cat", "Great Dane"]
    assert (
        class_index(1, names) == class_index(np.int64(1), names) == class_index(torch.tensor(1), names) == 1
    )
    for target in (3, -1):
        with pytest.raises(ValueError, match="3 classes"):
            class_index(target, names)
    for target in (1.5, None, True, np.True_, ["tabby"], torch.tensor(1.5)):
        with pytest.raises(ValueError, match="name or an index"):
            class_index(target, names)


def test_the_exact_name_comes_first():
    """Two classes of ImageNet differ in case only: a dog and a garment."""
    assert class_index("Cardigan", IMAGENET) == 264
    assert class_index("cardigan", IMAGENET) == 474
    with pytest.raises(ValueError, match=r"2 classes.*'Cardigan', 'cardigan'.*\[264, 474\]"):
        class_index("CARDIGAN", IMAGENET)
    with pytest.raises(ValueError, match=r"2 classes are called 'crane'; give one of the indices \[1, 2\]"):
        class_index("crane", ["ant", "crane", "crane", "Crane"])
    assert class_index("ice-cream", ["ice cream", "ice-cream"]) == 1


def test_every_name_of_imagenet_that_one_class_has_means_it():
    for c, name in enumerate(IMAGENET):
        if IMAGENET.count(name) == 1:
            assert class_index(name, IMAGENET) == c


def test_case_blanks_and_hyphens():
    for name in (" Tiger CAT ", "tiger_cat", "tiger-cat", "Tiger  cat\n"):
        assert class_index(name, IMAGENET) == 282
    assert class_index("cat", ["cat\n", "dog\n"]) == 0
    assert class_index(" cat", [" cat", "cat "]) == 0
    assert class_index("german shepherd", ["German_shepherd"]) == 0


def test_a_part_of_a_name_asks_which():
    with pytest.raises(ValueError, match="No class is called 'cat'") as asked:
        class_index("cat", IMAGENET)
    offered = str(asked.value)
    cats = ["'tiger cat'", "'Persian cat'", "'Siamese cat'", "'Egyptian cat'"]
    assert [offered.index(cat) for cat in cats] == sorted(offered.index(cat) for cat in cats)
    assert all(offered.index(cat) < offered.index("'catamaran'") for cat in cats)
    names = ["oystercatcher", "catamaran", "polecat", "tiger cat"]
    with pytest.raises(ValueError, match="mean 'tiger cat', 'catamaran', 'oystercatcher', 'polecat'"):
        class_index("cat", names)
    with pytest.raises(ValueError, match="Did you mean 'tabby'"):
        class_index("taby", IMAGENET)
    for name in ("", "  ", "_"):
        with pytest.raises(ValueError, match="No class"):
            class_index(name, IMAGENET)


def test_wordnet_ids():
    known = {"n01440764": 0, "n02123045": 281, "n02124075": 285, "n02106662": 235, "n15075141": 999}
    for wordnet_id, c in known.items():
        assert class_index(wordnet_id, IMAGENET) == class_index(f" {wordnet_id.upper()}\n", IMAGENET) == c
    assert [IMAGENET[c] for c in known.values()] == [
        "tench",
        "tabby",
        "Egyptian cat",
        "German shepherd",
        "toilet tissue",
    ]
    assert list(wordnet_ids()) == sorted(set(wordnet_ids())) and len(wordnet_ids()) == 1000
    with pytest.raises(ValueError, match="not the WordNet id"):
        class_index("n00000001", IMAGENET)
    with pytest.raises(ValueError, match="No class"):
        class_index("n02123045", ["tabby", "tench"])
    assert class_index("n02123045", ["n01440764", "n02123045"]) == 1


@pytest.mark.skipif(not SAMPLES.exists(), reason="needs photographs named by their WordNet ids")
def test_wordnet_ids_are_those_of_labelled_photographs():
    with SAMPLES.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 100
    assert all(wordnet_ids()[int(row["imagenet_index"])] == row["wordnet_id"] for row in rows)
    named = [(row, Path(row["image"]).stem.partition("_")[2]) for row in rows]
    alike = [IMAGENET[int(row["imagenet_index"])].lower().replace(" ", "_") == n.lower() for row, n in named]
    assert np.mean(alike) > 0.9
