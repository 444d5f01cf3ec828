"""Pictures are drawn without a screen and closed after each test."""

import matplotlib as mpl
import pytest
from matplotlib import pyplot

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """No picture may be shown, nor any global setting changed."""

    def show(*_, **__):
        raise AssertionError("a picture was shown")

    monkeypatch.setattr(pyplot, "show", show)
    before = dict(mpl.rcParams)
    yield
    pyplot.close("all")
    assert dict(mpl.rcParams) == before
