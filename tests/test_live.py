"""Whether a person may be looking."""

import sys

from xaicore.live import somebody_is_there


def test_somebody_is_there_only_if_a_front_end_says_so(monkeypatch):
    assert not somebody_is_there()

    class Shell:
        def __init__(self, content):
            self.content = content

        def get_parent(self):
            return {"content": self.content}

    for content, there in (({"allow_stdin": True}, True), ({"allow_stdin": False}, False), ({}, False)):
        monkeypatch.setattr("IPython.get_ipython", lambda content=content: Shell(content))
        assert somebody_is_there() is there
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert somebody_is_there()
