"""A claim shows its sentence and evidence, and a false one says which sentence is false."""

import html

import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from xaicore.book.claims import ClaimError, claim


def test_sentence_and_evidence_are_shown():
    shown = claim(
        "Averaging <em>helps</em>.",
        True,
        name="averaging-helps",
        value=0.12345,
        interval=(0.1, 0.2),
        n="20 photographs",
        source="msra",
        forward_passes=3,
    )
    page = BeautifulSoup(shown._repr_html_(), "html.parser")
    assert page.p.decode_contents() == "Averaging <em>helps</em>."
    rows = {row.th.text: row.td.text for row in page.details.table("tr")}
    assert rows == {
        "value": "0.1235",
        "95 % interval": "0.1 to 0.2",
        "n": "20 photographs",
        "forward passes": "3",
        "weights": "msra",
    }
    assert page.details.find(id="claim-averaging-helps") is not None  # inside, so that a link to it opens it
    assert repr(shown).splitlines()[0] == "Averaging helps. [✓]"
    assert "0.1 to 0.2" in repr(shown)


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("a *red* cat", "a <em>red</em> cat"),
        ("**73%** of it", "<strong>73%</strong> of it"),
        ("call `cam()` on *F(x)*", "call <code>cam()</code> on <em>F(x)</em>"),
        ("2 * 3 and 4 * 5", "2 * 3 and 4 * 5"),
        ("<em>red</em>", "<em>red</em>"),
    ],
)
def test_sentence_is_emphasised_as_in_markdown(sentence, shown):
    made = claim(sentence, True, name="it", value=1)
    assert f"<p>{shown}</p>" in made._repr_html_()
    assert repr(made).startswith(BeautifulSoup(shown, "html.parser").text + " [✓]")


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("It isn't CAM's.", "It isn’t CAM’s."),
        ("From -0.05 to +0.10 (-3)", "From −0.05 to +0.10 (−3)"),
        ("top-1 of 2015-2016, ResNet-50", "top-1 of 2015-2016, ResNet-50"),
        (
            "within 3e-06, 1e-05 times, 2.5e+03",
            "within 3\xa0·\xa010<sup>−6</sup>, 10<sup>−5</sup> times, 2.5\xa0·\xa010<sup>3</sup>",
        ),
        ("a difference of 0e+00", "a difference of 0"),
        ("call `f(-1, 'a', 1e-3)`", "call <code>f(-1, 'a', 1e-3)</code>"),
        ("<a href='x-1'>it's</a>", "<a href='x-1'>it’s</a>"),
    ],
)
def test_signs_are_those_of_print(sentence, shown):
    made = claim(sentence, True, name="it", value=1, source="a\nb")
    assert f"<p>{shown}</p>" in made._repr_html_()
    assert made.evidence["weights"] == "a; b"


def test_false_claim_names_its_sentence_and_what_was_measured():
    with pytest.raises(ClaimError, match=r"any more \(gap\): The gap is small.\nMeasured: value: 0.5"):
        claim("The gap is small.", np.float32(0.5) < 0.1, name="gap", value=np.float32(0.5))


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"holds": np.array([True, False])}, TypeError, "one truth value, not ndarray"),
        ({"holds": 1}, TypeError, "not int"),
        ({"holds": None}, TypeError, "not NoneType"),
        ({"sentence": "  "}, ValueError, "needs a sentence"),
        ({"name": "Two words"}, ValueError, "lower-case words with hyphens"),
        ({"value": None}, ValueError, "shows no evidence"),
        ({"interval": (1, 2, 3)}, ValueError, r"give \(low, high\)"),
    ],
)
def test_bad_arguments_say_what_to_do(arguments, error, says):
    with pytest.raises(error, match=says):
        claim(**({"sentence": "It holds.", "holds": True, "name": "it", "value": 1} | arguments))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345, "12,345"),
        (np.int64(7), "7"),
        (True, "yes"),
        (1 / 3, "0.3333"),
        ("a", "a"),
        (np.array([1.0, 2.0]), "1 to 2"),
        ([1, 2, 3], "1, 2, 3"),
    ],
)
def test_values_read_well(value, text):
    assert claim("It holds.", True, name="it", value=value).evidence["value"] == text


@given(st.text(min_size=1))
def test_evidence_is_escaped(text):
    shown = claim("It holds.", True, name="it", value=1, note=text)._repr_html_()
    assert f"<td>{html.escape(text)}</td>" in shown
