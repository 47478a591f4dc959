"""The command line: `xaicore explain photo.jpg`, `xaicore again record.json` and `xaicore weights`.

Exit codes: 0, all is well; 1, a photograph, a record or a file of weights is bad (the rest was done); 2, the
command itself is wrong; 3, no trained weights could be had.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from tqdm import tqdm

from xaicore.controls import NONE, Control
from xaicore.explanation import Explanation, Settings, controls, explain
from xaicore.maps.kinds import KINDS, find_kind
from xaicore.networks.gap import GapClassifier
from xaicore.networks.load import load_resnet50
from xaicore.networks.names import Target, class_index
from xaicore.networks.weights import AUTO, SOURCES, WeightsUnavailableError, check_cached, fetch_resnet50
from xaicore.pictures.reading import ImageError, read_image
from xaicore.regions.segmenters import SEGMENTERS, find_segmenter
from xaicore.show.explained import draw, render, table
from xaicore.show.records import fingerprint, record
from xaicore.show.style import use_book_style

EXPLAIN = """\
examples:
  xaicore explain dog.jpg
      SeCAM of the class with the highest score: explained/dog.png and explained/dog.json
  xaicore explain dog.jpg --class tabby --top 3
      why might it be a tabby? The three best regions
  xaicore explain dog.jpg --kind contrast --against tabby
      why the first answer and not a tabby?
  xaicore explain dog.jpg --kind focus --segmenter felzenszwalb
      what two input sizes agree on, over regions of another shape
  xaicore explain holiday/*.jpg --format csv --out maps
      many photographs, the region tables as CSV

kinds of map:
{kinds}

segmenters:
{segmenters}

A region's score is the mean of the map over it. For cam and contrast it is in units of the class score, and
its share of the evidence is its part of all that speaks for the class. Neither says what would happen if the
region were removed.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: this process's own arguments) and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options, parser))
    except WeightsUnavailableError as error:
        print(error, file=sys.stderr)
        return 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xaicore", description="See what an image classifier (ResNet50) looked at."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    explain_ = commands.add_parser(
        "explain",
        help="predictions, a figure and a table of regions for photographs",
        description="Say what ResNet50 sees in photographs, and where: predictions, a figure, a table.",
        epilog=EXPLAIN.format(
            kinds="\n".join(f"  {kind.name:<13}{kind.help}" for kind in KINDS.values()),
            segmenters="\n".join(f"  {one.name:<13}{one.help}" for one in SEGMENTERS.values()),
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain_.set_defaults(run=_explain)
    explain_.add_argument("photos", nargs="+", type=Path, metavar="photo")
    explain_.add_argument(
        "--class",
        dest="target",
        metavar="NAME",
        help="the class to explain, by name or index (default: the one with the highest score)",
    )
    explain_.add_argument(
        "--against",
        metavar="NAME",
        help="rivals (the ten strongest), others (all) or a class, to set it against (default: rivals)",
    )
    kept = explain_.add_mutually_exclusive_group()
    for control in controls():
        _add(kept if control.name in ("top", "threshold") else explain_, control)
    explain_.add_argument("--weights", choices=["auto", *SOURCES], default="auto", help="(default: auto)")
    explain_.add_argument("--format", choices=["json", "csv"], default="json", help="table (default: json)")
    _add_out(explain_)
    again = commands.add_parser(
        "again",
        help="make the figure of a record again",
        description="Make the figure again that belongs to a record, from the same photograph and weights.",
    )
    again.set_defaults(run=_again)
    again.add_argument("record", type=Path, help="a JSON file that `xaicore explain` wrote")
    again.add_argument("--photo", type=Path, help="where the photograph is now (default: where it was)")
    _add_out(again)
    weights = commands.add_parser(
        "weights",
        help="show, check and fetch the trained weights",
        description="Show where each set of weights lies, and verify the checksums of those that are there.",
    )
    weights.set_defaults(run=_weights)
    weights.add_argument("--fetch", choices=["auto", *SOURCES], help="fetch this set first")
    return parser


def _add(parser: Any, control: Control) -> None:
    """The option of a setting. Not given, it is missing from what was parsed, and Settings decides."""
    default = "" if control.default is None else f" (default: {control.default})"
    more: dict[str, Any] = {
        "metavar": "N" if control.whole else "T",
        "type": lambda text: _number(control, text),
    }
    if control.choices is not None:
        more = {"choices": [NONE if choice is None else choice for choice in control.choices]}
    parser.add_argument(f"--{control.name}", default=argparse.SUPPRESS, help=control.help + default, **more)


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("explained"), metavar="FOLDER", help="(default: explained)"
    )


def _number(control: Control, text: str) -> float:
    try:
        return float(control.check(int(text) if control.whole else float(text)))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# --- xaicore explain -----------------------------------------------------------------------------------


def _explain(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    settings = _settings(options, parser)
    model = load_resnet50(options.weights)
    try:
        settings = _with_classes(settings, options, model)
    except ValueError as error:
        parser.error(str(error))
    failures: list[Exception] = []
    used: set[str] = set()
    for photo in tqdm(options.photos, disable=len(options.photos) < 2, unit="photo"):
        try:
            explanation = explain(settings.look(model, read_image(photo)), settings)
        except (ImageError, OSError, ValueError) as error:
            failures.append(error)
            continue
        name = _unused(photo.stem, used)
        _write_figure(explanation, options.out / f"{name}.png")
        if options.format == "csv":
            (options.out / f"{name}.csv").write_text(table([explanation]), encoding="utf-8")
        else:
            text = json.dumps(record(explanation, str(photo)), indent=1, ensure_ascii=False)
            (options.out / f"{name}.json").write_text(text, encoding="utf-8")
        tqdm.write(
            f"{photo}\n{explanation.prediction.top()}\n→ {options.out / name}.png, .{options.format}\n"
        )
    for failure in failures:
        print(f"not explained: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _settings(options: argparse.Namespace, parser: argparse.ArgumentParser) -> Settings:
    """What the options ask for, without the classes, which need the network's names."""
    given = {c.name: getattr(options, c.name) for c in controls() if hasattr(options, c.name)}
    given = {name: None if value == NONE else value for name, value in given.items()}
    for control in controls():
        if control.whole and given.get(control.name) is not None:
            given[control.name] = int(given[control.name])
    if "threshold" in given:
        given["top"] = None
    segmenter = given.get("segmenter", Settings.segmenter)
    if "segments" in given and (segmenter is None or not find_segmenter(segmenter).counted):
        parser.error(f"--segments doesn't go with --segmenter {segmenter or NONE}, which takes no number")
    if options.against is not None and find_kind(given.get("kind", Settings.kind)).against is None:
        parser.error("--against needs a kind of map that takes rivals: --kind contrast or --kind focus")
    return Settings(**given)


def _with_classes(settings: Settings, options: argparse.Namespace, model: GapClassifier) -> Settings:
    """The same, with the classes looked up; ValueError for one that there is not."""

    def known(name: str | None, words: tuple[str, ...] = ()) -> Target | None:
        if name is None or name in words:
            return name
        return class_index(int(name) if name.isdecimal() else name, model.categories)

    target, against = known(options.target), known(options.against, ("rivals", "others"))
    if target is not None and target == against:
        raise ValueError(f"{model.categories[int(target)]!r} against itself is zero everywhere.")
    return Settings.of({**settings.as_record(), "target": target, "against": against})


def _write_figure(explanation: Explanation, path: Path) -> None:
    mpl.use("agg")
    use_book_style()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(render(draw([explanation])))


def _unused(stem: str, used: set[str]) -> str:
    """Two photographs of one name from two folders get two names here."""
    name, number = stem, 1
    while name in used:
        number += 1
        name = f"{stem}-{number}"
    used.add(name)
    return name


# --- xaicore again -------------------------------------------------------------------------------------


def _again(options: argparse.Namespace, _: argparse.ArgumentParser) -> int:
    try:
        known = json.loads(options.record.read_text(encoding="utf-8"))
        settings, weights = Settings.of(known["settings"]), known["weights"]
        photo = options.photo or Path(known["photo"])
        image = read_image(photo)
        if fingerprint(image) != known["pixels_sha256"]:
            raise ImageError(f"{photo} is another picture than the record's. Name the right one: --photo.")
        model = load_resnet50(weights["source"])
        if getattr(model.provenance, "sha256", "") != weights["sha256"]:
            raise ValueError(f"The weights {weights['source']} here are others than the record's.")
        explanation = explain(settings.look(model, image), settings)
        cut = known["found"].get("labels_sha256")
        if explanation.averages is not None and fingerprint(explanation.averages.labels) != cut:
            raise ValueError("The superpixels are others than the record's: its packages were others.")
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        print(f"{options.record} is no record of `xaicore explain` ({error!r}).", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    figure = options.out / f"{options.record.stem}.png"
    _write_figure(explanation, figure)
    print(f"→ {figure}")
    return 0


# --- xaicore weights -----------------------------------------------------------------------------------


def _weights(options: argparse.Namespace, _: argparse.ArgumentParser) -> int:
    if options.fetch:
        fetch_resnet50(options.fetch)
    damaged = False
    for name in SOURCES:
        provenance, state = check_cached(name)
        damaged |= state not in ("verified", "not in the cache")
        print(f"{name}: {state}")
        print(f"    {provenance.title}; published ImageNet top-1 {provenance.top1:.1f} %")
        print(f"    {provenance.path}")
    print(f"'auto' takes the first verified one of {' and '.join(AUTO)}, else fetches one.")
    return 1 if damaged else 0


if __name__ == "__main__":
    sys.exit(main())
