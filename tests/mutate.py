"""Which changes of the code does no test notice? `make mutate`, for some `MODULES="xaicore.maps.cells …"`.

mutmut changes one expression of one function at a time and runs the tests that call the function. Where, and
which tests, says `[tool.mutmut]` of pyproject.toml. This script counts by module and shows each change that
survived; those of mutation_survivors.toml are known to alter nothing. It fails where a module has others and
a score below 85 %, and where a listed one was noticed after all. With `--again` it runs no more than what
survived the last time and what was not run.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

ROOT = Path(__file__).resolve().parents[1]
LISTED = ROOT / "tests" / "mutation_survivors.toml"
ENOUGH = 0.85
UNNOTICED = {
    0,
    5,
    33,
}  # mutmut's exit codes for: the tests pass; no test was chosen; no test calls the function


def main(modules: list[str], again: bool) -> int:
    """Run, print the scores and the survivors; 1 where something has to be done."""
    os.chdir(ROOT)
    wanted = [
        f"{module}.*" for module in modules or ("xaicore.maps", "xaicore.regions", "xaicore.evaluation")
    ]
    if again:
        codes = {key: code for file in verdicts() for key, code in read(file).items()}
        left = [key for key, code in codes.items() if code is None or code in UNNOTICED]
        wanted = [key for key in left if any(fnmatch(key, pattern) for pattern in wanted)]
    else:
        shutil.rmtree("mutants", ignore_errors=True)  # mutmut would keep its verdicts when a test changes
    workers = os.environ.get("WORKERS", "1")
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", workers, *wanted]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}) if wanted else None
    return (done.returncode if done else 0) or report()


def verdicts() -> list[Path]:
    """One file of mutmut's for each module."""
    return sorted(Path("mutants/xaicore").rglob("*.meta"))


def read(file: Path) -> dict[str, int | None]:
    """The exit code of the tests for each mutant; None where it has not been run."""
    return json.loads(file.read_text())["exit_code_by_key"]


def report() -> int:
    """Say how the mutants in the folder `mutants` fared."""
    known = {(entry["in"], change) for entry in listed() for change in entry["changes"]}
    seen, missed, weak = set(), [], []
    print(f"{'module':36}{'mutants':>8}{'killed':>8}{'score':>8}{'listed':>8}{'open':>6}")
    for file in verdicts():
        codes = {key: code for key, code in read(file).items() if code is not None}
        if not codes:
            continue
        changes = [change_of(key, file) for key, code in codes.items() if code in UNNOTICED]
        found = [change for change in changes if change not in known]
        score = 1 - len(changes) / len(codes)
        module = ".".join(file.relative_to("mutants").with_suffix("").with_suffix("").parts)
        numbers = f"{len(codes):8}{len(codes) - len(changes):8}{score:8.1%}"
        print(f"{module:36}{numbers}{len(changes) - len(found):8}{len(found):6}")
        missed += found
        weak += [module] if score < ENOUGH and found else []
        names = {name_of(key, file) for key in codes}
        seen |= {pair for pair in known if pair[0] in names} - set(changes)
    for title, pairs in (("No test notices", missed), ("Listed, but noticed", sorted(seen))):
        by_function = defaultdict(list)
        for name, change in pairs:
            by_function[name].append(change)
        for name, of_it in by_function.items():
            print(f"\n{title}, in {name}:", *of_it, sep="\n    ")
    return int(bool(weak or seen))


def listed() -> list[dict]:
    return tomllib.loads(LISTED.read_text())["survivor"]


def name_of(key: str, meta: Path) -> str:
    function, owner = orig_function_and_class_names_from_key(key)
    module = ".".join(meta.relative_to("mutants").with_suffix("").with_suffix("").parts)
    return ".".join(part for part in (module, owner, function) if part)


def change_of(key: str, meta: Path) -> tuple[str, str]:
    """The function and the lines as the mutant has them; they stay the same when mutmut counts otherwise."""
    lines = get_diff_for_mutant(key, path=meta.relative_to("mutants").with_suffix("")).splitlines()[2:]
    new = [line[1:].strip() for line in lines if line.startswith("+")]
    old = [line[1:].strip() for line in lines if line.startswith("-")]
    return name_of(key, meta), " ".join(new) or f"without {' '.join(old)}"


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(main([a for a in arguments if a != "--again"], "--again" in arguments))
