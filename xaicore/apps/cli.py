"""The command line: `xaicore explain photo.jpg` and `xaicore weights`.

Exit codes: 0, all is well; 1, a photograph or a file of weights is bad (the rest was done); 2, the command
itself is wrong; 3, no trained weights could be had.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from tqdm import tqdm

from xaicore.maps.cells import cam
from xaicore.maps.drawing import heat_map
from xaicore.networks.gap import GapClassifier
from xaicore.networks.load import load_resnet50
from xaicore.networks.prediction import Prediction, Target, class_index
from xaicore.networks.weights import AUTO, SOURCES, WeightsUnavailableError, check_cached, fetch_resnet50
from xaicore.pictures.geometry import Resize
from xaicore.pictures.reading import ImageError, read_image
from xaicore.regions.averages import secam
from xaicore.show.figures import show_maps, show_secam
from xaicore.show.style import use_book_style

EXPLAIN = """\
examples:
  xaicore explain dog.jpg
      SeCAM of the class with the highest score: explained/dog.png and explained/dog.json
  xaicore explain dog.jpg --class tabby --top 3
      why might it be a tabby? The three best regions
  xaicore explain holiday/*.jpg --format csv --out maps
      many photographs, the region tables as CSV

A region's score is the mean of the class activation map over it, in units of the class score. Its share of
the evidence is its part of all that speaks for the class. Neither says what would happen if it were removed.
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
    explain = commands.add_parser(
        "explain",
        help="predictions, a figure and a table of regions for photographs",
        description="Say what ResNet50 sees in photographs, and where: predictions, a figure, a table.",
        epilog=EXPLAIN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain.set_defaults(run=_explain)
    explain.add_argument("photos", nargs="+", type=Path, metavar="photo")
    explain.add_argument(
        "--class",
        dest="target",
        metavar="NAME",
        help="the class to explain, by name or index (default: the one with the highest score)",
    )
    explain.add_argument("--method", choices=["secam", "cam"], default="secam", help="(default: secam)")
    explain.add_argument(
        "--segments", type=_positive, metavar="N", help="superpixels to ask for (default: 100)"
    )
    regions = explain.add_mutually_exclusive_group()
    regions.add_argument(
        "--top", type=_positive, default=5, metavar="N", help="best regions kept (default: 5)"
    )
    regions.add_argument(
        "--threshold",
        type=_share,
        metavar="T",
        help="keep all regions from this share of the best score up, in (0, 1]",
    )
    explain.add_argument(
        "--resize",
        choices=get_args(Resize),
        default="full",
        help="how the photo becomes the network's input (default: full, nothing is cut off)",
    )
    explain.add_argument("--weights", choices=["auto", *SOURCES], default="auto", help="(default: auto)")
    explain.add_argument("--format", choices=["json", "csv"], default="json", help="table (default: json)")
    explain.add_argument(
        "--out", type=Path, default=Path("explained"), metavar="FOLDER", help="(default: explained)"
    )
    weights = commands.add_parser(
        "weights",
        help="show, check and fetch the trained weights",
        description="Show where each set of weights lies, and verify the checksums of those that are there.",
    )
    weights.set_defaults(run=_weights)
    weights.add_argument("--fetch", choices=["auto", *SOURCES], help="fetch this set first")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{value:g} is not in (0, 1]")
    return value


def _explain(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    if options.method == "cam" and options.segments:
        parser.error("--segments goes with --method secam; a CAM has no regions")
    model = load_resnet50(options.weights)
    target: Target | None = options.target
    if target is not None:
        try:
            target = class_index(int(target) if str(target).isdigit() else target, model.categories)
        except ValueError as error:
            parser.error(str(error))
    mpl.use("agg")
    use_book_style()
    options.out.mkdir(parents=True, exist_ok=True)
    failures: list[Exception] = []
    used: set[str] = set()
    for photo in tqdm(options.photos, disable=len(options.photos) < 2, unit="photo"):
        try:
            prediction = model.predict(read_image(photo), options.resize)
        except (ImageError, OSError) as error:
            failures.append(error)
            continue
        name = _unused(photo.stem, used)
        figure, table, cells = _explanation(prediction, target, options)
        figure.savefig(options.out / f"{name}.png")
        plt.close(figure)
        if options.format == "csv":
            (options.out / f"{name}.csv").write_text(cells, encoding="utf-8")
        else:
            record = {"photo": str(photo), **_record(prediction, target, options, model), **table}
            text = json.dumps(record, indent=1, ensure_ascii=False)
            (options.out / f"{name}.json").write_text(text, encoding="utf-8")
        tqdm.write(f"{photo}\n{prediction.top()}\n→ {options.out / name}.png, .{options.format}\n")
    for failure in failures:
        print(f"not explained: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _unused(stem: str, used: set[str]) -> str:
    """Two photographs of one name from two folders get two names here."""
    name, number = stem, 1
    while name in used:
        number += 1
        name = f"{stem}-{number}"
    used.add(name)
    return name


def _explanation(
    prediction: Prediction, target: Target | None, options: argparse.Namespace
) -> tuple[Figure, dict[str, Any], str]:
    """The figure, what goes into the JSON record, and the table as CSV."""
    if options.method == "cam":
        values = cam(prediction, target)
        title = f"CAM of '{prediction.score(target).name}'"
        figure = show_maps(prediction.image, [heat_map(prediction, target)], [title], columns=2, photo=True)
        rows = [f"{y},{x},{v:.6g}" for y, row in enumerate(values) for x, v in enumerate(row)]
        return figure, {"map": values.round(4).tolist()}, "\n".join(["row,column,value", *rows]) + "\n"
    result = secam(prediction, target, segments=options.segments)
    choice = {"threshold": options.threshold} if options.threshold else {"top": options.top}
    regions = result.regions(**choice)
    table = {
        "segments": options.segments,  # null: secam's default
        **choice,
        "superpixels": len(result.scores),
        "regions": [region._asdict() for region in regions],
        "area": regions.area,
        "evidence": regions.evidence,
    }
    return show_secam(result, regions, width=7), table, regions.to_csv()


def _record(
    prediction: Prediction, target: Target | None, options: argparse.Namespace, model: GapClassifier
) -> dict[str, Any]:
    """What a reader of the JSON file needs in order to know how it was made."""
    return {
        "weights": {name: getattr(model.provenance, name) for name in ("source", "title", "sha256")},
        "method": options.method,
        "resize": options.resize,
        "class": vars(prediction.score(target)),
        "bias": float(prediction.bias[prediction.index(target)]),
        "top5": [vars(row) for row in prediction.top()],
    }


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
