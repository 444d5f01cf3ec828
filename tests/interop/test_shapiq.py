"""Games from and to shapiq, beside shapiq's own values."""

import numpy as np
import pandas as pd
import pytest

import onlyif
from onlyif.core.errors import ExtraError, SettingError

RANDOM = np.random.default_rng(2)
TABLE = pd.DataFrame(RANDOM.normal(size=(20, 4)), columns=list("abcd"))


def model(table):
    return (table["a"] * table["b"] + 2.0 * table["c"] + np.sin(table["d"])).to_numpy()


@pytest.fixture(scope="module")
def shapiq():
    return pytest.importorskip("shapiq", reason="shapiq is tested in an environment of its own (make peers)")


@pytest.fixture(scope="module")
def bridge(shapiq):
    from onlyif.interop import shapiq as bridge

    return bridge


def test_a_game_has_the_values_that_are_compared(bridge):
    explainer = onlyif.Explainer(model, TABLE, keep_table=True)
    game = bridge.game_of(explainer, TABLE[:1])
    table = explainer(TABLE[:1])[0].table
    codes = np.arange(16)
    keep = (codes[:, None] >> np.arange(4) & 1).astype(bool)
    np.testing.assert_allclose(game(keep) + game.normalization_value, table, atol=1e-12)
    assert game.n_players == 4
    assert game([("a", "c")])[0] == pytest.approx(table[0b0101] - table[0])


def test_shapiqs_shapley_values_are_ours(shapiq, bridge):
    explainer = onlyif.Explainer(model, TABLE)
    game = bridge.game_of(explainer, TABLE[1:2])
    theirs = shapiq.ExactComputer(game=game, n_players=4)("SV", order=1)
    np.testing.assert_allclose([theirs[(i,)] for i in range(4)], explainer(TABLE[1:2])[0].shapley, atol=1e-10)


def test_a_game_is_explained_as_the_row_it_was_made_of(bridge):
    explainer = onlyif.Explainer(model, TABLE, alpha=0.25, keep_table=True)
    item = explainer(TABLE[2:3])[0]
    (again,) = bridge.explain_game(bridge.game_of(explainer, TABLE[2:3]), alpha=0.25, keep_table=True)
    assert again.names == item.names
    np.testing.assert_allclose(again.table, item.table, atol=1e-12)
    for name in ("sufficient", "necessary", "unified"):
        assert again.sets[name].players == item.sets[name].players
    assert again.provenance.predictor == "the function RestrictedGame"


def test_the_sets_of_any_game_are_those_that_all_coalitions_show(shapiq, bridge):
    numbers = np.random.default_rng(3).random(32)

    class Drawn(shapiq.Game):
        def __init__(self):
            super().__init__(5, normalization_value=float(numbers[0]))

        def value_function(self, coalitions):
            return numbers[coalitions @ (1 << np.arange(5))]

    game = Drawn()
    (item,) = bridge.explain_game(game, epsilon=0.2)
    keep = (np.arange(32)[:, None] >> np.arange(5) & 1).astype(bool)
    values = numbers
    sufficient = np.abs(values - values[-1]) <= 0.2
    necessary = np.abs(values[::-1] - values[0]) <= 0.2
    assert item.sufficient.size == keep[sufficient].sum(1).min()
    assert item.necessary.size == keep[necessary].sum(1).min()
    assert (item.prediction, item.base) == pytest.approx((values[-1], values[0]))


def test_what_is_no_game_is_refused(bridge):
    with pytest.raises(SettingError, match=r"need a shapiq\.Game, got a function"):
        bridge.explain_game(model)
    with pytest.raises(SettingError, match="of one row, got 2"):
        bridge.game_of(onlyif.Explainer(model, TABLE), TABLE[:2])
    with pytest.raises(SettingError, match="plays no game"):
        bridge.game_of(onlyif.Explainer(model, TABLE, criterion="pns"), TABLE[:1])


def test_a_missing_shapiq_is_named():
    try:
        import shapiq  # noqa: F401
    except ImportError:
        with pytest.raises(ExtraError, match=r"pip install 'onlyif\[shapiq\]'"):
            onlyif.interop.shapiq
    else:
        pytest.skip("shapiq is there")
