"""Controls: what a setting takes, said once."""

import pytest

from xaicore.controls import Control
from xaicore.explanation import Settings, controls

WHOLE = Control("n", "N", 3, "how many", low=1, high=10, step=1)
SHARE = Control("t", "T", None, "how much", low=0.0, high=1.0, step=0.1, optional=True)
CHOICE = Control("c", "C", "a", "which", {"a": "A", None: "none", True: "yes"})
SEVERAL = Control("m", "M", (), "which ones", low=0, high=9, step=1, several=True)


@pytest.mark.parametrize(
    ("control", "value", "becomes"),
    [
        (WHOLE, 10, 10),
        (WHOLE, 2.0, 2),
        (SHARE, 0, 0.0),
        (SHARE, None, None),
        (CHOICE, None, None),
        (CHOICE, "a", "a"),
        (SEVERAL, [5, 2.0, 5], (2, 5)),
        (SEVERAL, (), ()),
    ],
)
def test_what_fits_stays(control, value, becomes):
    found = control.check(value)
    assert found == becomes and type(found) is type(becomes)


@pytest.mark.parametrize(
    ("control", "value", "says"),
    [
        (WHOLE, 0, "a whole number from 1 to 10"),
        (WHOLE, 2.5, "a whole number"),
        (WHOLE, "3", "a whole number"),
        (WHOLE, True, "a whole number"),
        (WHOLE, None, "n=None"),
        (SHARE, 1.01, "a number from 0 to 1"),
        (SHARE, float("nan"), "a number"),
        (CHOICE, "b", "choose one of a, None, True"),
        (CHOICE, 1, "choose one of"),
        (SEVERAL, 3, "give a tuple"),
        (SEVERAL, "3", "give a tuple"),
        (SEVERAL, (3, 10), "m=10; choose a whole number from 0 to 9"),
    ],
)
def test_what_doesn_t_is_refused_with_what_there_is(control, value, says):
    with pytest.raises(ValueError, match=says):
        control.check(value)


def test_the_settings_start_where_their_controls_say():
    settings = Settings()
    for control in controls():
        assert getattr(settings, control.name) == control.default
        assert control.label and control.help
