"""The rows of the frames that explanations are laid out as: one plain tuple a row."""

import math
from collections.abc import Mapping

from onlyif.explanation.explanation import Explanation
from onlyif.explanation.selection import Gap, Selection

Record = tuple[object, ...]

_ROW: Mapping[str, type] = {
    "row": object, "target": int, "target_label": str, "prediction": float,
    "base": float, "base_stderr": float, "total_gap": float, "total_gap_stderr": float,
}  # fmt: skip
_SETTINGS: Mapping[str, type] = {
    "epsilon": float, "alpha": float, "size_rule": str, "informative": bool, "basis": str,
    "predictor": str, "output": str, "reference": str, "restriction": str, "search": str,
    "distance": str, "seed": int, "model_rows": int, "seconds": float,
}  # fmt: skip
SELECTION_COLUMNS: Mapping[str, type] = {
    **_ROW,
    "selection": str, "players": str, "size": int,
    "delta_suf": float, "delta_suf_stderr": float, "delta_nec": float, "delta_nec_stderr": float,
    "delta_uni": float, "delta_uni_stderr": float,
    "fresh_suf": float, "fresh_suf_stderr": float, "fresh_nec": float, "fresh_nec_stderr": float,
    "n_ties": int,
    **_SETTINGS,
}  # fmt: skip
CONTINUUM_COLUMNS: Mapping[str, type] = {
    "row": object, "size": int, "exact_size": bool, "low": float, "high": float,
    "players": str, "n_players": int,
    "delta_suf": float, "delta_suf_stderr": float, "delta_nec": float, "delta_nec_stderr": float,
    "n_ties": int,
}  # fmt: skip
PLAYER_COLUMNS: Mapping[str, type] = {
    "row": object, "player": str, "value": str, "sufficient": bool, "necessary": bool, "unified": bool,
    "shapley": float,
}  # fmt: skip

_UNKNOWN = (Gap(math.nan, math.nan), Gap(math.nan, math.nan))


def selections_of(item: Explanation) -> dict[str, Selection]:
    """The three selections of an explanation, by name."""
    return {"sufficient": item.sufficient, "necessary": item.necessary, "unified": item.unified}


def selection_records(item: Explanation) -> list[Record]:
    """One record a selection, with `SELECTION_COLUMNS`."""
    gap = item.total_gap
    row = (item.row, item.target, item.target_label, item.prediction, item.base, item.base_stderr)
    end = _settings(item)
    return [
        (*row, gap.value, gap.stderr, name, *_chosen(chosen, item.alpha), *end)
        for name, chosen in selections_of(item).items()
    ]


def _chosen(chosen: Selection, alpha: float) -> Record:
    suf, nec = chosen.sufficiency, chosen.necessity
    fresh_suf, fresh_nec = chosen.fresh or _UNKNOWN
    return (
        ", ".join(chosen.names),
        chosen.size,
        *(suf.value, suf.stderr, nec.value, nec.stderr),
        chosen.unified(alpha),
        alpha * suf.stderr + (1.0 - alpha) * nec.stderr,
        *(fresh_suf.value, fresh_suf.stderr, fresh_nec.value, fresh_nec.stderr),
        chosen.n_ties,
    )


def _settings(item: Explanation) -> Record:
    source = item.provenance
    return (
        item.epsilon,
        item.alpha,
        f"|S| {'=' if item.exact_size else '<='} {item.size}",
        item.certificate.informative,
        item.certificate.basis.name.lower(),
        *(source.predictor, source.output, source.reference, source.restriction, source.search),
        *(source.distance, source.seed, item.model_rows, item.seconds),
    )


def continuum_records(item: Explanation) -> list[Record]:
    """One record a solution of every size rule, with `CONTINUUM_COLUMNS`."""
    held = item.continua
    records = zip(
        held.size.tolist(), held.exact_size.tolist(), held.low.tolist(), held.high.tolist(),
        held.keep.tolist(), held.sufficiency.tolist(), held.necessity.tolist(), held.n_ties.tolist(),
        strict=True,
    )  # fmt: skip
    return [
        (item.row, size, exact, low, high, _named(held.names, keep), sum(keep), *suf, *nec, ties)
        for size, exact, low, high, keep, suf, nec, ties in records
    ]


def _named(names: tuple[str, ...], keep: list[bool]) -> str:
    return ", ".join(name for name, kept in zip(names, keep, strict=True) if kept)


def player_records(item: Explanation) -> list[Record]:
    """One record a player, with `PLAYER_COLUMNS`."""
    shapley = [math.nan] * len(item.names) if item.shapley is None else item.shapley.tolist()
    sets = [set(chosen.players) for chosen in selections_of(item).values()]
    return [
        (item.row, name, item.values[i], *(i in chosen for chosen in sets), shapley[i])
        for i, name in enumerate(item.names)
    ]
