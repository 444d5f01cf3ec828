"""Games: f_S(x) of a row as a `shapiq.Game`, and the sufficient and necessary sets of any game.

A game gives each coalition of players a value. Restricted predictions are one: v(S) = f_S(x).
"""

from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float64
from typing_extensions import override

from onlyif.answers.own import BoundCriterion
from onlyif.answers.sets import SetsCriterion
from onlyif.core.errors import SettingError
from onlyif.core.extras import check_installed
from onlyif.core.progress import Meter
from onlyif.explain import explain
from onlyif.explainer import Explainer
from onlyif.explanation.explanations import Explanations
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.set_function import SetFunction

check_installed("shapiq", "shapiq", "games of shapiq")

# Behind the check, which names the extra where shapiq is missing.
from shapiq import Game  # noqa: E402

__all__ = ["RestrictedGame", "explain_game", "game_of"]


@final
class RestrictedGame(Game):  # type: ignore[misc]  # shapiq is not there where types are checked
    """The restricted predictions of one row as a game, v(S) = f_S(x), centred at v(∅) = f_0 as shapiq has it.

    All of shapiq's indices and approximators take it; its values are the ones that onlyif compares.

    Args:
        function: f_S(x) of one instance.
        names: The players' names.

    Raises:
        SettingError: unless the function is of one instance.
    """

    def __init__(self, function: SetFunction, names: tuple[str, ...]) -> None:
        if len(function.x) != 1:
            raise SettingError(f"a game is of one row, got {len(function.x)}")
        self.function = function
        nothing = np.zeros((1, function.n_players), dtype=bool)
        empty = float(self.value_function(nothing)[0])
        super().__init__(function.n_players, normalization_value=empty, player_names=list(names))

    @override
    def value_function(self, coalitions: Bool[np.ndarray, "m d"]) -> Float64[np.ndarray, "m"]:
        """f_S(x) for each coalition.

        Args:
            coalitions: Who is kept.
        """
        mean: np.ndarray = self.function.predict(np.asarray(coalitions, dtype=bool)[None]).mean[0]
        return mean


def game_of(explainer: Explainer, X: Any) -> RestrictedGame:
    """The game that an explainer plays for one row.

    Args:
        explainer: The explainer, by sets.
        X: The row, as a table of one row.

    Raises:
        SettingError: unless there is one row, or if the explainer looks for causes.
        InputError: if the row cannot be used as it is.
        ModelError: if the model fails on it.
    """
    whole = explainer.work(X, Meter()).whole
    if not isinstance(whole.criterion, SetsCriterion | BoundCriterion):
        raise SettingError(
            "an explainer of causes compares no restricted predictions, so that it plays no game"
        )
    return RestrictedGame(whole.criterion.set_function, whole.names)


def explain_game(game: Any, **settings: Any) -> Explanations:
    """The sufficient and the necessary coalitions of a game, and all that lies between, as one explanation.

    With v in the place of f_S(x): a coalition is ε-sufficient if its value is within ε of that of all
    players, and ε-necessary if without it the value is within ε of that of none.

    Args:
        game: A `shapiq.Game`.
        **settings: Arguments of `onlyif.explain` that say what is asked: `alpha`, `size`, `epsilon`,
            `search`, `budget`, `distance`, `keep_table`, `criterion`, ...

    Raises:
        SettingError: if it is no game, or a setting has no use.
        ModelError: if the game fails.
    """
    if not isinstance(game, Game):
        raise SettingError(f"need a shapiq.Game, got a {type(game).__name__}")

    def values(rows: Float64[np.ndarray, "r d"]) -> Float64[np.ndarray, "r"]:
        # The game's own values, not centred.
        found: np.ndarray = np.asarray(game(rows > 0.5), dtype=np.float64) + game.normalization_value
        return found

    values.__qualname__ = type(game).__name__
    count, lookup = game.n_players, game.player_name_lookup or {}
    groups = {name: [f"x{place}"] for name, place in lookup.items()}
    nobody = BaselineReference(np.zeros(count), "the empty coalition")
    return explain(values, np.ones((1, count)), reference=nobody, groups=groups or None, **settings)
