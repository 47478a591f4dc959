"""The command line: `xaicore explain photo.jpg`, `xaicore again record.json` and `xaicore weights`.

Exit codes: 0, all is well; 1, a photograph is bad (the rest was done), or what a record names, or the weights
that `xaicore weights` checks; 2, the command itself is wrong, its --checkpoint and --classes included, and
nothing was done; 3, no trained weights could be had; 130, stopped by Ctrl-C.

What takes long to import comes in the functions that need it, so that the help is there at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaicore.apps.photos import find_photos, in_words
from xaicore.apps.writing import FolderError, Inputs, check_folder, expanded
from xaicore.controls import NONE, Control
from xaicore.explanation import Settings, controls
from xaicore.live import somebody_watches
from xaicore.maps.kinds import KINDS, find_kind
from xaicore.networks.provenance import RESNET50, SOURCES, split_checkpoint
from xaicore.regions.segmenters import SEGMENTERS, find_segmenter

if TYPE_CHECKING:
    from xaicore.apps.again import Record
    from xaicore.networks.gap import GapClassifier

TABLE = "parquet"  # one table of all photographs
STOPPED = 130  # as shells say it of a command that Ctrl-C ended


class NoNetworkError(Exception):
    """The network can't be had here: its weights, or a package that it needs; the message says what to do."""


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
  xaicore explain holiday --recursive --format csv --out maps
      all photographs in a folder and those below it, the region tables as CSV
  xaicore explain holiday --format parquet --best 3 --out table
      a table of many photographs, three classes of each; no figures. Stopped, it goes on when called again
  xaicore explain dog.jpg --network timm:resnet50.a1_in1k
  xaicore explain dog.jpg --network torchvision:resnet18 --checkpoint my.pth --classes names.txt
      other networks: published ones by name, or your own weights

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
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a sign shows its code instead
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    given = sys.argv[1:] if arguments is None else list(arguments)
    if arguments is None:  # a process of its own that is told to end cleans up first
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        options = parser.parse_args([_as_path(argument) for argument in given])
        return int(options.run(options, parser))
    except NoNetworkError as error:
        _say(str(error), error=True)
        return 3
    except KeyboardInterrupt:
        _say("Stopped. What was written is whole.", error=True)
        return STOPPED


def _as_path(argument: str) -> str:
    """The same; with ./ before a file whose name begins with a dash, which argparse takes for an option."""
    is_dashed = argument.startswith("-") and not argument.startswith("--") and argument not in ("-", "-h")
    return f"./{argument}" if is_dashed and os.path.lexists(argument) else argument


def _say(words: str, error: bool = False) -> None:
    """Print past a progress bar. Where nobody reads on (a closed pipe, a full disk), go on silently."""
    from tqdm import tqdm

    stream = sys.stderr if error else sys.stdout
    if stream is None:  # closed from the start
        return
    try:
        tqdm.write(words, file=stream)
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xaicore", description="See what an image classifier looked at.")
    commands = parser.add_subparsers(required=True, metavar="command")
    explain_ = commands.add_parser(
        "explain",
        help="predictions, a figure and a table of regions for photographs",
        description="Say what a network sees in photographs, and where: predictions, a figure, a table.",
        epilog=EXPLAIN.format(
            kinds="\n".join(f"  {kind.name:<13}{kind.help}" for kind in KINDS.values()),
            segmenters="\n".join(f"  {one.name:<13}{one.help}" for one in SEGMENTERS.values()),
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain_.set_defaults(run=_explain)
    explain_.add_argument(
        "photos",
        nargs="+",
        type=_filled,
        metavar="photo",
        help="a picture, a folder of them, or a pattern such as '*.jpg'",
    )
    explain_.add_argument("--recursive", action="store_true", help="the pictures in folders of folders too")
    explain_.add_argument(
        "--class",
        dest="target",
        type=_filled,
        metavar="NAME",
        help="the class to explain, by name or index (default: the one with the highest score)",
    )
    explain_.add_argument(
        "--against",
        type=_filled,
        metavar="NAME",
        help="rivals (the ten strongest), others (all) or a class, to set it against (default: rivals)",
    )
    kept = explain_.add_mutually_exclusive_group()
    for control in controls():
        _add(kept if control.name in ("top", "threshold") else explain_, control)
    explain_.add_argument(
        "--network",
        type=_filled,
        metavar="NAME",
        default=RESNET50,
        help="torchvision:NAME or timm:NAME, with @FILE for weights of your own (default: resnet50)",
    )
    explain_.add_argument(
        "--checkpoint",
        type=_filled,
        metavar="FILE",
        help="a file of weights for it, .pth or .safetensors",
    )
    explain_.add_argument(
        "--classes",
        type=_filled,
        metavar="FILE",
        help="a file of class names: one a line, or a JSON list or dictionary",
    )
    explain_.add_argument(
        "--weights", choices=["auto", *SOURCES], help="which of resnet50's weights (default: auto)"
    )
    explain_.add_argument(
        "--format",
        choices=["json", "csv", TABLE],
        default="json",
        help=f"of each photograph's record, or {TABLE}: a table of all, without figures (default: json)",
    )
    for name, low, told in (
        ("best", 1, "how many classes of each photograph, those with the highest scores (default: 1)"),
        ("workers", 0, "processes that read and cut photographs (default: one a processor, at most 8)"),
    ):
        explain_.add_argument(
            f"--{name}", type=_from(low), metavar="N", help=f"with --format {TABLE}: {told}"
        )
    _add_out(explain_)
    again = commands.add_parser(
        "again",
        help="make the figure of a record again",
        description="Make the figure again that belongs to a record, from the same photograph and weights.",
    )
    again.set_defaults(run=_again)
    again.add_argument("record", type=_filled, help="a JSON file that `xaicore explain` wrote")
    again.add_argument(
        "--photo",
        type=_filled,
        metavar="FILE",
        help="where the photograph is now (default: where it was)",
    )
    again.add_argument(
        "--checkpoint", type=_filled, metavar="FILE", help="where the network's weights are now"
    )
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
        "--out",
        type=lambda text: expanded(_filled(text)),
        default=Path("explained"),
        metavar="FOLDER",
        help="(default: explained)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace files that this program did not make, but no photograph",
    )


def _filled(text: str) -> str:
    """The same; nothing at all stands for no file, folder or name, and least of all for the default."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty. Is a variable of the shell not set?")
    return text


def _from(low: int) -> Callable[[str], int]:
    """What reads a whole number that is no lower."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} up")
        return int(text)

    return number


def _number(control: Control, text: str) -> float:
    try:
        return float(control.check(int(text) if control.whole else float(text)))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def load_resnet50(weights: str) -> GapClassifier:
    """The book's network, see :func:`xaicore.networks.load.load_resnet50`."""
    from xaicore.networks.load import load_resnet50 as load

    return load(weights, progress=somebody_watches())


def _load(spec: str, checkpoint: str | None, classes: Any, weights: str) -> GapClassifier:
    """The network that was asked for; NoNetworkError if it can't be had here, ValueError if it is none."""
    from xaicore.networks.weights import WeightsUnavailableError

    try:
        if spec == RESNET50 and checkpoint is None:
            if classes is None:
                return load_resnet50(weights)
            spec = f"{RESNET50}:{weights}"
        from xaicore.networks.load import load_network

        return load_network(spec, checkpoint=checkpoint, classes=classes, progress=somebody_watches())
    except (WeightsUnavailableError, ImportError) as error:
        raise NoNetworkError(str(error)) from error


# --- xaicore explain -----------------------------------------------------------------------------------


def _explain(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    settings = _settings(options, parser)
    _check_network(options, parser)
    _check_table(options, parser)
    _check_out(options, parser)
    photos, missing = find_photos(options.photos, recursive=options.recursive, without=options.out)
    failures = [str(error) for error in missing]
    try:
        if photos:
            _explain_photos(photos, settings, options, parser, failures)
    finally:  # told too where Ctrl-C stops it
        for failure in failures:
            _say(f"not explained: {failure}", error=True)
    return 1 if failures else 0


def _explain_photos(
    photos: list[Path],
    settings: Settings,
    options: argparse.Namespace,
    parser: argparse.ArgumentParser,
    failures: list[str],
) -> None:
    from xaicore.apps.explaining import explain_photos, with_classes
    from xaicore.apps.outputs import Outputs

    model = _load_or_exit(options, parser)
    try:
        settings = with_classes(settings, options.target, options.against, model)
    except ValueError as error:
        parser.error(str(error))
    if options.format == TABLE:
        _make_table(photos, model, settings, options, parser, failures)
        return
    network: dict[str, Any] = {"spec": options.network}
    if options.checkpoint:
        network["checkpoint"] = options.checkpoint
    if options.classes:
        network["classes"] = list(model.categories)
    read = [*photos, *(Path(name) for name in (options.checkpoint, options.classes) if name)]
    outputs = Outputs(options.out, Inputs(read), options.force)
    explain_photos(photos, model, settings, outputs, f".{options.format}", network, _say, failures)


def _make_table(
    photos: list[Path],
    model: GapClassifier,
    settings: Settings,
    options: argparse.Namespace,
    parser: argparse.ArgumentParser,
    failures: list[str],
) -> None:
    from xaicore.apps.folder import explain_folder
    from xaicore.apps.parts import PartsError
    from xaicore.apps.workers import WorkersError

    try:
        done = explain_folder(
            photos, model, options.out, settings, classes=options.best or 1, workers=options.workers
        )
    except PartsError as error:
        parser.error(f"--out {error}")
    except WorkersError as error:
        failures.append(f"{error} On the command line that is --workers 0.")
        return
    except ImportError as error:
        raise NoNetworkError(str(error)) from error
    failures += [words for _, words in done.failures]
    _say(str(done))


def _check_table(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Refuse options that don't go with the form of the result."""
    if options.format != TABLE:
        for name in ("best", "workers"):
            if getattr(options, name) is not None:
                parser.error(f"--{name} is for --format {TABLE}")
    elif options.force:
        parser.error(f"--force replaces figures; with --format {TABLE} name another folder by --out")
    elif options.target is not None and (options.best or 1) > 1:
        parser.error("--best takes the classes with the highest scores, and --class names one; drop either")


def _load_or_exit(options: argparse.Namespace, parser: argparse.ArgumentParser) -> GapClassifier:
    try:
        return _load(options.network, options.checkpoint, options.classes, options.weights or "auto")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except RuntimeError as error:  # PyTorch's own, of a network or a file that nobody foresaw
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        parser.error(f"{options.network} can't be used with {options.checkpoint or 'its weights'}: {first}")


def _check_network(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Refuse what is wrong about the network's options before anything slow."""
    try:
        options.network, options.checkpoint = split_checkpoint(options.network, options.checkpoint)
    except ValueError as error:
        parser.error(f"--network {error}")
    if options.weights and (options.checkpoint or options.network != RESNET50):
        parser.error("--weights is for resnet50's published weights; a network of another name has its own")
    for name in ("checkpoint", "classes"):
        if (given := getattr(options, name)) is None:
            continue
        path = expanded(given)
        if not path.is_file():
            parser.error(f"--{name} {given}: there is no such file (looked from {Path.cwd()})")
        setattr(options, name, str(path))


def _check_out(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    try:
        check_folder(options.out)
    except FolderError as error:
        parser.error(str(error))


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


# --- xaicore again -------------------------------------------------------------------------------------


def _again(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    _check_out(options, parser)
    from xaicore.apps.again import make_again, read_record
    from xaicore.apps.outputs import Outputs

    path = expanded(options.record)
    try:
        record = read_record(path)
        photo = expanded(options.photo or record.photo)
        outputs = Outputs(options.out, Inputs([path, photo]), options.force)

        def load(record: Record) -> GapClassifier:
            checkpoint = options.checkpoint or record.checkpoint
            return _load(record.network, checkpoint, record.classes, record.weights)

        figure = make_again(record, photo, outputs, path.stem, load)
    except NoNetworkError:
        raise
    except Exception as error:  # a record is a file, and may ask for anything
        _say(f"not made again: {in_words(error)}", error=True)
        return 1
    _say(f"→ {figure}")
    return 0


# --- xaicore weights -----------------------------------------------------------------------------------


def _weights(options: argparse.Namespace, _: argparse.ArgumentParser) -> int:
    from xaicore.networks.weights import AUTO, WeightsUnavailableError, check_cached, fetch_resnet50

    try:
        if options.fetch:
            fetch_resnet50(options.fetch, progress=somebody_watches())
        checked = [check_cached(name) for name in SOURCES]
    except WeightsUnavailableError as error:
        raise NoNetworkError(str(error)) from error
    damaged = False
    for name, (provenance, state) in zip(SOURCES, checked, strict=True):
        damaged |= state not in ("verified", "not in the cache")
        _say(f"{name}: {state}")
        _say(f"    {provenance.title}; published ImageNet top-1 {provenance.top1:.1f} %")
        _say(f"    {provenance.path}")
    _say(f"'auto' takes the first verified one of {' and '.join(AUTO)}, else fetches one.")
    return 1 if damaged else 0


if __name__ == "__main__":
    sys.exit(main())
