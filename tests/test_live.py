"""Whether a person may be looking."""

import sys
from types import SimpleNamespace

import pytest

from xaicore.live import STATIC, somebody_is_there


@pytest.mark.parametrize(
    ("shell", "static", "there"),
    [
        (None, "", False),  # a script
        (SimpleNamespace(), "", False),  # IPython in a terminal, which shows no widget
        (SimpleNamespace(kernel=object()), "", True),
        (SimpleNamespace(kernel=object()), "1", False),
    ],
)
def test_somebody_may_be_there_wherever_a_kernel_shows_something(monkeypatch, shell, static, there):
    monkeypatch.setenv(STATIC, static)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    assert somebody_is_there() is there


def test_somebody_is_in_colab(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert somebody_is_there()
