"""A sentence and the check that backs it, shown together: a claim that turns false stops the notebook.

    claim("The mean of the map plus the bias is the score.", gap < 1e-4, name="completeness", value=gap)

The sentence appears with a mark; the mark opens the evidence. A sentence in the text names its check by a
link to it, `the map adds up to the score <a href="#claim-completeness">✓</a>`. When the notebook is executed
again and the check fails, :class:`ClaimError` names the sentence, so that no build and no reader can miss it.
"""

from __future__ import annotations

import html
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class ClaimError(AssertionError):
    """A sentence of the book that its check doesn't back any more; the message quotes both."""


@dataclass(frozen=True, repr=False)
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
    holds: bool | np.bool_,
    *,
    name: str,
    value: Any = None,
    interval: Sequence[float] | None = None,
    n: int | str | None = None,
    source: object = None,
    **more: Any,
) -> Claim:
    """State a sentence together with its check; it shows in a notebook as text with a mark that opens both.

    Args:
        sentence: what is claimed, with `*emphasis*`, `**bold**` and code in backticks as in Markdown; inline
            HTML may stand in it too. Numbers in it come from the same variables as the check.
        holds: the check's result, a single truth value.
        name: a word or two with hyphens, unique in the notebook; text links to it as `#claim-name`.
        value: what was measured. `interval`: its (low, high), 95 % unless `more` says otherwise.
        n: how many cases, as a number or in words ("20 photographs").
        source: where the weights came from (`model.provenance`).
        more: further rows of the evidence; underscores in a name become spaces.

    Raises:
        ClaimError: the check failed.
        ValueError: an empty sentence, a name that can't be linked to, or no evidence at all.
        TypeError: `holds` is not one truth value (an array has to be reduced by `.all()` first).
    """
    if not isinstance(holds, (bool, np.bool_)):
        raise TypeError(f"holds= is one truth value, not {type(holds).__name__}. Compare, then use .all().")
    if not sentence.strip():
        raise ValueError("A claim needs a sentence.")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"name={name!r}; use lower-case words with hyphens, such as 'mean-plus-bias'.")
    if interval is not None and len(interval) != 2:
        raise ValueError(f"interval={interval!r}; give (low, high).")
    rows = {"value": value, "95 % interval": interval, "n": n}
    rows |= {what.replace("_", " "): given for what, given in more.items()}
    evidence = {what: _text(given) for what, given in rows.items() if given is not None}
    if not evidence:
        raise ValueError(f"The claim {name!r} shows no evidence: give value=, n= or rows of your own.")
    if source is not None:
        evidence["weights"] = "; ".join(str(source).splitlines())
    if not holds:
        shown = "; ".join(f"{what}: {given}" for what, given in evidence.items())
        raise ClaimError(f"This sentence is not true any more ({name}): {sentence}\nMeasured: {shown}")
    return Claim(sentence, name, evidence)


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
