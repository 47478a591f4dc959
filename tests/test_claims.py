"""A claim shows its sentence and evidence, and a false one says which sentence is false."""

import html
from types import SimpleNamespace

import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from xaicore.book.claims import ClaimError, claim
from xaicore.evaluation.statistics import Interval


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


# --- a sentence is filled in from its evidence -----------------------------------------------------------

FOUND = SimpleNamespace(name="espresso", probability=0.9926)


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("{value:.0%} of {n:,}", "25% of 1,200"),
        ("{value} of {n}", "0.25 of 1,200"),  # without a format, as in the evidence
        ("{low:+.2f} to {high:+.2f}", "-0.10 to +0.40"),
        ("{without_it:percent}, {nothing:percent}, {value:percent}", "less than 1%, 0%, 25%"),
        ("{without_it:.0e} and {name}", "3e-03 and a name"),
        ("*{best.name}* ({best.probability:.0%})", "espresso (99%)"),
        ("{two[1]} {{a set}}", "4 {a set}"),
    ],
)
def test_fields_are_filled_in_from_the_evidence(sentence, shown):
    made = claim(
        sentence,
        True,
        name="it",
        value=np.float32(0.25),
        interval=(-0.1, 0.4),
        n=1200,
        without_it=0.003,
        nothing=0.0,
        two=(3, 4),
        fields={"best": FOUND, "name": "a name"},
    )
    assert repr(made).splitlines()[0] == f"{shown} [✓]"
    assert made.evidence["without it"] == "0.003"
    assert "best" not in made.evidence


def test_an_interval_brings_its_bounds_and_its_count():
    d = Interval(0.5, 0.25, 0.75, 11, 96)
    made = claim("{value:.1f}, {low} to {high}: {n}.", d.low > 0, name="it", value=d, source="msra")
    assert made.sentence == "0.5, 0.25 to 0.75: 96 values from 11 photographs."
    assert made.evidence == {
        "value": "0.5",
        "95 % interval": "0.25 to 0.75",
        "n": "96 values from 11 photographs",
        "weights": "msra",
    }
    assert claim("It holds.", True, name="it", value=d, n=3).evidence["n"] == "3"


@pytest.mark.parametrize(
    ("sentence", "says"),
    [
        ("{share:.0%}", r"'it' has no field 'share'. The fields are: value, best"),
        ("{}", "'it' has no field 0"),
        ("{low}", "has no field 'low'"),  # no interval was given
        ("{best.nom}", "can't be filled in: .* no attribute 'nom'"),
        ("{best:.0%}", "can't be filled in: .*format"),
        ("{value:words}", "can't be filled in: Invalid format specifier"),
        ("a { b", "can't be filled in"),
    ],
)
def test_a_wrong_template_says_what_is_wrong(sentence, says):
    with pytest.raises(ValueError, match=says):
        claim(sentence, True, name="it", value=0.5, fields={"best": FOUND})
    with pytest.raises(ValueError, match=says):  # though nobody would see it with these weights
        claim(
            "It holds.",
            True,
            name="it",
            value=0.5,
            fields={"best": FOUND},
            source="msra",
            only_with="msra",
            otherwise=sentence,
        )


@pytest.mark.parametrize("fields", [{"value": 2}, {"n": 2}, {"steps": 2}])
def test_a_field_has_one_meaning(fields):
    with pytest.raises(ValueError, match=f"gives {next(iter(fields))} twice"):
        claim("It holds.", True, name="it", value=1, n=3, steps=4, fields=fields)


# --- what stands with other weights ----------------------------------------------------------------------

OURS = SimpleNamespace(source="msra")
THEIRS = SimpleNamespace(source="imagenet1k_v1")


def weighed(holds, source, otherwise):
    return claim(
        "It rises by {value:.1f}.",
        holds,
        name="it",
        value=0.5,
        source=source,
        only_with="msra",
        otherwise=otherwise,
    )


@pytest.mark.parametrize("source", [OURS, "msra", THEIRS])
@pytest.mark.parametrize("otherwise", ["It falls.", True, False, [(True, "It falls.")], []])
def test_a_sentence_that_holds_stands_with_any_weights(source, otherwise):
    assert weighed(True, source, otherwise).sentence == "It rises by 0.5."


@pytest.mark.parametrize("source", [OURS, "msra"])
@pytest.mark.parametrize("otherwise", ["It falls.", True, [(True, "It falls.")]])
def test_with_the_books_weights_no_other_sentence_helps(source, otherwise):
    with pytest.raises(ClaimError, match=r"It rises by 0.5.\nMeasured: value: 0.5"):
        weighed(np.bool_(False), source, otherwise)


@pytest.mark.parametrize(
    ("otherwise", "stands"),
    [
        ("It falls by {value:.2f}.", "It falls by 0.50."),
        ([(False, "It stays."), (np.bool_(True), "It falls."), (True, "Who knows.")], "It falls."),
        (np.bool_(True), "It rises by 0.5."),  # the sentence tells numbers only: a weaker check will do
    ],
)
def test_other_weights_show_what_stands_and_whose_they_are(otherwise, stands):
    made = weighed(False, THEIRS, otherwise)
    assert made.sentence == f"{stands} (With the weights imagenet1k_v1, not the book's.)"


@pytest.mark.parametrize("otherwise", [False, np.bool_(False), [], [(False, "It falls.")]])
def test_where_no_other_sentence_holds_the_claim_fails_with_any_weights(otherwise):
    with pytest.raises(ClaimError, match="It rises"):
        weighed(False, THEIRS, otherwise)


@pytest.mark.parametrize(
    "arguments",
    [
        {"only_with": "msra", "source": "msra"},
        {"otherwise": "It falls.", "source": "msra"},
        {"only_with": "msra", "otherwise": "It falls."},
    ],
)
def test_what_belongs_together_is_given_together(arguments):
    with pytest.raises(ValueError, match="belong together"):
        claim("It holds.", True, name="it", value=1, **arguments)


def test_the_other_checks_are_single_truth_values_too():
    with pytest.raises(TypeError, match="one truth value, not ndarray"):
        weighed(True, OURS, [(np.array([True, False]), "It falls.")])
