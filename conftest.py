"""`pytest notebooks --nbval-lax` runs each notebook alone, as somebody who has nothing but the .ipynb would.

nbval starts a notebook's kernel in the notebook's own folder, where the checkout could help it. Here the
kernel starts in an empty folder, and `xaicore` is what `pip install` made of the checkout, first on the path.
The one execution of every notebook is thereby also the check that it runs alone.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest

INSTALLED = "XAICORE_INSTALLED"  # names the folder with the installed package, for pytest-xdist's workers too


def install_package(folder: Path) -> None:
    """`pip install` this checkout, without its dependencies and not editable, into a folder."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder)]
    command = [*pip, *options, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise pytest.UsageError(f"The package can't be built (is hatchling installed?):\n{done.stderr}")


@pytest.hookimpl(tryfirst=True)  # before -m chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark nbval's cells as what they are."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker("notebooks")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare for nbval, if it was asked for."""
    if not (config.getoption("nbval", False) or config.getoption("nbval_lax", False)):
        return
    if not hasattr(config, "workerinput"):  # once a run: not in each of pytest-xdist's workers
        folder = tempfile.TemporaryDirectory(prefix="xaicore-")
        config.add_cleanup(folder.cleanup)
        install_package(Path(folder.name))
        os.environ[INSTALLED] = folder.name

    import nbval.plugin

    class KernelAlone(nbval.plugin.RunningKernel):
        """A kernel in an empty folder, with the installed package before all others."""

        def __init__(self, kernel_name: str, cwd: str | None = None, startup_timeout: int = 60) -> None:
            self.folder = tempfile.TemporaryDirectory(prefix="notebook-", ignore_cleanup_errors=True)
            with mock.patch.dict(os.environ, PYTHONPATH=os.environ[INSTALLED], XAICORE_STATIC="1"):
                super().__init__(kernel_name, cwd=self.folder.name, startup_timeout=startup_timeout)

    nbval.plugin.RunningKernel = KernelAlone
