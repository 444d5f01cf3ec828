"""The bar: a widget in a notebook, a line on a terminal, nothing elsewhere, and for nothing that is quick."""

import io
import sys
from types import SimpleNamespace

import pytest
import tqdm.auto
from tqdm import tqdm as line

from onlyif.progress_bar import progress_bar
from onlyif.testing.explanations import example_explanations


class Widget(line):
    """A bar with a container, as tqdm's of a notebook has one, made before its total is known."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "file": io.StringIO()})
        drawn = SimpleNamespace(max=1, bar_style="info", layout=SimpleNamespace(width="20px"))
        self.container = SimpleNamespace(children=(None, drawn, None))


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("notebook", [False, True])
def test_it_is_shown_by_default_on_terminals_and_in_notebooks(monkeypatch, terminal, notebook):
    monkeypatch.setattr(tqdm.auto, "tqdm", Widget)
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: terminal, write=len, flush=list))
    if notebook:
        monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", SimpleNamespace())
    bar = progress_bar()
    assert bar.bar.disable is not (terminal or notebook)
    assert isinstance(bar.bar, Widget) is notebook
    assert progress_bar(False).bar.disable and not progress_bar(True).bar.disable


def test_a_widget_learns_its_total_and_what_is_quick_draws_nothing(monkeypatch):
    monkeypatch.setattr(tqdm.auto, "tqdm", Widget)
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", SimpleNamespace())
    bar, found = progress_bar(), example_explanations()
    assert [*bar.over(iter([found, found]), 6)] == [found, found]
    drawn = bar.bar.container.children[1]
    assert (drawn.max, drawn.bar_style, drawn.layout.width, bar.bar.n) == (6, "", None, 6)
    assert bar.bar.fp.getvalue() == ""
    slow = progress_bar()
    for _ in slow.over(iter([found]), 3):
        slow.show(1.5, 9.0)
    # Without a delay tqdm's widget is shown when it is made, or never.
    assert 0 < slow.bar.delay < 1e-6
    assert "about 9 s a row" in slow.bar.fp.getvalue()
