"""A sentence and the check that backs it, shown together: a claim that turns false stops the notebook.

    claim("Mean plus bias is the score, to {value:.0e}.", gap < 1e-4, name="completeness", value=gap)

The sentence appears with a mark; the mark opens the evidence. What stands in braces is filled in from the
evidence, so that the two can't tell different numbers. A sentence in the text names its check by a link to
it, `the map adds up to the score <a href="#claim-completeness">✓</a>`. When the notebook is executed again
and the check fails, :class:`ClaimError` names the sentence, so that no build and no reader can miss it.

The checks are those of the weights that the book was written with. Where a reader's other weights may rightly
give another answer, `only_with` and `otherwise` say what stands then:

    claim("Hiding it raises the score.", rise > 0, name="hiding", value=rise, source=model.provenance,
          only_with="msra", otherwise="Hiding it lowers the score by {value:.1f}.")
"""

from __future__ import annotations

import html
import numbers
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from xaicore.book.words import counts, percent
from xaicore.evaluation.statistics import Interval

Truth: TypeAlias = bool | np.bool_
Otherwise: TypeAlias = Truth | str | Sequence[tuple[Truth, str]]


class ClaimError(AssertionError):
    """A sentence of the book that its check doesn't back any more; the message quotes both."""


@dataclass(frozen=True, eq=False, repr=False)
class Claim:
    """A sentence that held when it was made, with the evidence for it; make one with :func:`claim`."""

    sentence: str
    name: str
    evidence: Mapping[str, str]

    def __repr__(self) -> str:
        rows = "\n".join(f"    {what}: {value}" for what, value in self.evidence.items())
        return f"{re.sub('<[^>]+>', '', _emphasised(self.sentence))} [✓]\n{rows}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row'>{html.escape(what)}</th><td>{html.escape(value)}</td></tr>"
            for what, value in self.evidence.items()
        )
        return (
            "<div class='claim'>"
            f"<p>{_emphasised(_with_signs(self.sentence))}</p>"
            "<details><summary><span aria-hidden='true'>✓</span> evidence</summary>"
            f"<table id='claim-{self.name}'><tbody>{rows}</tbody></table></details></div>"
        )


def claim(
    sentence: str,
    holds: Truth,
    *,
    name: str,
    value: Any = None,
    interval: Sequence[float] | None = None,
    n: int | str | None = None,
    source: object = None,
    fields: Mapping[str, Any] | None = None,
    only_with: str | None = None,
    otherwise: Otherwise | None = None,
    **more: Any,
) -> Claim:
    """State a sentence together with its check; it shows in a notebook as text with a mark that opens both.

    A field of the sentence, `{name}` or `{name:format}`, is filled from the evidence: `{value}`, `{n}`,
    `{low}` and `{high}` of the interval, and the names of `more`; or else from `fields`. The formats are
    Python's (`{value:+.2f}`, `{n:,}`, `{value:.0%}`, `{value:.0e}`) and `percent`, by which a tiny share is
    "less than 1%". Without a format it reads as in the evidence.

    Args:
        sentence: what is claimed, with `*emphasis*`, `**bold**` and code in backticks as in Markdown; inline
            HTML may stand in it too. A brace that is meant as such is doubled.
        holds: the check's result, a single truth value.
        name: a word or two with hyphens, unique in the notebook; text links to it as `#claim-name`.
        value: what was measured. An :class:`~xaicore.evaluation.statistics.Interval` brings its `interval`
            and its `n` along, unless they are given.
        interval: its (low, high), 95 % unless `more` says otherwise.
        n: how many cases, as a number or in words ("20 photographs").
        source: where the weights came from (`model.provenance`, or its `source`).
        fields: what the sentence names besides the evidence: `fields={"best": answer}` for `{best.name}`.
        only_with: the weights, as the `source` of their provenance, with which the sentence has to hold.
        otherwise: what stands where the check fails with other weights than those: another sentence; or
            (condition, sentence) pairs, the first of which that holds is shown; or a condition alone, under
            which the same sentence stands. It is shown with the name of the weights.
        more: further rows of the evidence; underscores in a name become spaces.

    Raises:
        ClaimError: the check failed, with the weights of `only_with` or without an `otherwise` that holds.
        ValueError: an empty sentence, one with an unknown field, a name that can't be linked to, no evidence
            at all, or only one of `only_with` and `otherwise`, or these without a source.
        TypeError: a check is not one truth value (an array has to be reduced by `.all()` first).
    """
    _refuse_unless_true_or_false(holds)
    if not sentence.strip():
        raise ValueError("A claim needs a sentence.")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"name={name!r}; use lower-case words with hyphens, such as 'mean-plus-bias'.")
    if isinstance(value, Interval):
        interval = (value.low, value.high) if interval is None else interval
        value, n = value.mean, counts(value) if n is None else n
    if interval is not None and len(interval) != 2:
        raise ValueError(f"interval={interval!r}; give (low, high).")
    rows = {"value": value, "95 % interval": interval, "n": n}
    rows |= {what.replace("_", " "): given for what, given in more.items()}
    evidence = {what: _text(given) for what, given in rows.items() if given is not None}
    if not evidence:
        raise ValueError(f"The claim {name!r} shows no evidence: give value=, n= or rows of your own.")
    if source is not None:
        evidence["weights"] = "; ".join(str(source).splitlines())

    told = _fields(name, value, interval, n, more, fields or {})
    standby = _standby(name, sentence, source, only_with, otherwise, told)
    sentence = _Template(name).vformat(sentence, (), told)
    if not holds:
        if standby is None:
            shown = "; ".join(f"{what}: {given}" for what, given in evidence.items())
            raise ClaimError(f"This sentence is not true any more ({name}): {sentence}\nMeasured: {shown}")
        sentence = standby
    return Claim(sentence, name, evidence)


def _refuse_unless_true_or_false(holds: object) -> None:
    if not isinstance(holds, (bool, np.bool_)):
        raise TypeError(f"A check is one truth value, not {type(holds).__name__}. Compare, then use .all().")


def _fields(
    name: str,
    value: Any,
    interval: Sequence[float] | None,
    n: int | str | None,
    more: Mapping[str, Any],
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    """What the sentence may name. A word with two meanings is refused: which one to show is a guess."""
    low, high = (None, None) if interval is None else interval
    own = {"value": value, "low": low, "high": high, "n": n}
    own = {word: given for word, given in own.items() if given is not None}
    if twice := sorted((own.keys() & more) | (own.keys() & fields) | (more.keys() & fields)):
        raise ValueError(f"The claim {name!r} gives {', '.join(twice)} twice, as evidence or in fields=.")
    return own | dict(more) | dict(fields)


class _Template(string.Formatter):
    """Fills in a sentence's fields, and names the claim when it can't."""

    def __init__(self, name: str) -> None:
        self.name = name

    def vformat(self, format_string: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        try:
            return super().vformat(format_string, args, kwargs)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            fault = f"has no field {error}" if isinstance(error, KeyError) else f"can't be filled in: {error}"
            have = ", ".join(kwargs) or "none"
            raise ValueError(f"The sentence of {self.name!r} {fault}. The fields are: {have}.") from error

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return kwargs[key]  # type: ignore[index]  # a number, as in {0} or {}, is no key either

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "percent":
            return percent(value)
        return format(value, format_spec) if format_spec else _text(value)


def _standby(
    name: str,
    sentence: str,
    source: object,
    only_with: str | None,
    otherwise: Otherwise | None,
    told: Mapping[str, Any],
) -> str | None:
    """What stands if the check fails: nothing with the book's weights, else the first alternative that holds.

    Each alternative is filled in whichever weights there are, or a fault in one would show to nobody but the
    reader who has the others.
    """
    if only_with is None and otherwise is None:
        return None
    if only_with is None or otherwise is None or source is None:
        raise ValueError(f"The claim {name!r}: only_with=, otherwise= and source= belong together.")
    pairs: Sequence[tuple[Truth, str]]
    if isinstance(otherwise, str):
        pairs = [(True, otherwise)]
    elif isinstance(otherwise, (bool, np.bool_)):
        pairs = [(otherwise, sentence)]
    else:
        pairs = otherwise
    for holds, _ in pairs:
        _refuse_unless_true_or_false(holds)
    filled = [(holds, _Template(name).vformat(text, (), told)) for holds, text in pairs]
    weights = str(getattr(source, "source", source))
    stands = next((text for holds, text in filled if holds), None)
    if weights == only_with or stands is None:
        return None
    return f"{stands} (With the weights {weights}, not the book's.)"


def _text(value: Any) -> str:
    """A number to four digits, a pair as an interval, anything else as it prints."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    if isinstance(value, numbers.Real):
        return f"{float(value):.4g}"
    if isinstance(value, (tuple, list, np.ndarray)):
        return " to ".join(_text(v) for v in value) if len(value) == 2 else ", ".join(_text(v) for v in value)
    return str(value)


def _emphasised(sentence: str) -> str:
    """The three marks of Markdown that a sentence needs, as HTML. A lone * stays: it may be a product."""
    sentence = re.sub(r"`([^`]+)`", r"<code>\1</code>", sentence)
    sentence = re.sub(r"\*\*(?=\S)(.+?)(?<=\S)\*\*", r"<strong>\1</strong>", sentence)
    return re.sub(r"\*(?=\S)([^*]+?)(?<=\S)\*", r"<em>\1</em>", sentence)


def _with_signs(sentence: str) -> str:
    """Minus signs, apostrophes and powers of ten as print has them, but not within tags and code."""

    def power(found: re.Match[str]) -> str:
        mantissa, exponent = found[1], str(int(found[2])).replace("-", "−")
        if float(mantissa) == 0:
            return "0"
        return ("" if mantissa == "1" else f"{mantissa}\xa0·\xa0") + f"10<sup>{exponent}</sup>"

    def typeset(text: str) -> str:
        text = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]\d+)\b", power, text)
        text = re.sub(r"(?<![\w.)\]])-(?=\d)", "−", text)
        return text.replace("'", "’")

    parts = re.split(r"(<[^>]*>|`[^`]+`)", sentence)
    parts[::2] = map(typeset, parts[::2])
    return "".join(parts)
