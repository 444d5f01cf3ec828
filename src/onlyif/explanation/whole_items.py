"""Whether the parts of a stored explanation fit each other, so that whatever is read can be told."""

from collections.abc import Mapping

from onlyif.core.errors import SettingError, StorageError
from onlyif.explanation.checked import need
from onlyif.explanation.explanation import CONSTRAINTS, Explanation
from onlyif.explanation.pixels import PixelNames

_GAPS = ("sufficiency", "necessity")
_PROBABILITIES = ("pn", "ps", "p_changed", "p_unchanged", "pns", "effective_pn", "effective_ps")


def check_item(item: Explanation, where: str) -> None:
    """Refuse an explanation whose parts do not fit each other, so that whatever is read can be told.

    Args:
        item: The explanation.
        where: The file and the place in it, for messages.

    Raises:
        StorageError: saying what does not fit.
    """
    of_pixels = isinstance(item.names, PixelNames)
    if len(item.values) != (0 if of_pixels else len(item.names)):
        raise StorageError(
            f"{where}: need {len(item.names)} values, one for each name, got {len(item.values)}"
        )
    _check_constraints(item, where)
    if not item.sets and not item.scores:
        raise StorageError(f"{where}: need at least one set or score")
    if item.details.continua is not None or item.details.certificate is not None:
        _check_sets(item, where)
    if "cause" in item.sets or item.details.path or item.details.singles:
        _check_causes(item, where)
    if "soft" in item.scores:
        _check_mask(item, where)
    if "resamples" in item.settings:
        _check_whole(item.settings, "resamples", where)
        stable = (kind for kind, chosen in item.sets.items() if "stability" in chosen.measures)
        need(item.scores, tuple(f"stability_{kind}" for kind in stable), "scores", where)


def _check_constraints(item: Explanation, where: str) -> None:
    """What was asked of the members of sets is of players; all else are numbers."""
    names, shapes = set(item.names), {**dict.fromkeys(CONSTRAINTS, tuple), "order": dict, "costs": dict}
    for key, value in item.settings.items():
        if isinstance(value, tuple | dict) and not isinstance(value, shapes.get(key, ())):
            raise StorageError(f"{where}: {key!r} must be a number, got {str(value)[:60]}")
        if not isinstance(value, tuple | dict):
            if key in shapes:
                raise StorageError(f"{where}: {key!r} must tell of players, got {value}")
            continue
        inner = [one for one in value.values() if isinstance(one, tuple)] if isinstance(value, dict) else []
        numbers = isinstance(value, dict) and len(inner) < len(value)
        if not {*value}.union(*inner) <= names or numbers != (key == "costs"):
            raise StorageError(f"{where}: {key!r} does not fit the names, got {str(value)[:60]}")


def _check_sets(item: Explanation, where: str) -> None:
    # Where only some sets may be reported there may be none within ε.
    kinds = ("unified",) if item.constrained and item.reason else ("sufficient", "necessary", "unified")
    need(item.sets, kinds, "sets", where)
    for name, chosen in item.sets.items():
        need(chosen.measures, _GAPS, "measures", f"{where}: {name}")
        fresh = [f"fresh_{gap}" in chosen.measures for gap in _GAPS]
        if any(fresh) and not all(fresh):
            raise StorageError(f"{where}: {name}: need two fresh gaps, got 1")
    need(item.settings, ("alpha", "epsilon", "size", "exact_size"), "settings", where)
    need(item.measures, ("total_gap",), "measures", where)
    need(item.provenance.sentences, ("distance",), "sentences", where)
    if item.details.continua is None or item.details.certificate is None:
        raise StorageError(f"{where}: need continua and a certificate, got one of them")
    _check_whole(item.settings, "size", where)
    try:
        held = item.continuum
    except SettingError as cause:
        raise StorageError(f"{where}: {cause}") from cause
    ends = held.breakpoints[:1] + held.breakpoints[-1:]
    if ends != (0.0, 1.0) or len(held.pieces) != len(held.breakpoints) - 1 or not 0.0 <= item.alpha <= 1.0:
        raise StorageError(
            f"{where}: need a continuum from α = 0 to 1 with α = {item.alpha} in it, got "
            f"{len(held.pieces)} pieces between the breakpoints {str(held.breakpoints)[:60]}"
        )


def _check_causes(item: Explanation, where: str) -> None:
    details, values, said = item.details, item.provenance.values, item.provenance.sentences
    need(item.sets, ("cause",), "sets", where)
    for chosen in (*item.sets.values(), *details.path, *details.singles):
        need(chosen.measures, _PROBABILITIES, "measures", where)
    need(item.settings, ("size",), "settings", where)
    need(values, ("b", "c", "n_sample", "p_replace"), "values", where)
    need(
        said,
        ("baseline", "sample", "boundary", "threshold", "events", "distance", "abduction"),
        "sentences",
        where,
    )
    _check_whole(item.settings, "size", where)
    _check_whole(values, "n_sample", where)
    if item.size not in {chosen.size for chosen in details.path}:
        raise StorageError(f"{where}: the path has no subset of size {item.size}")
    if isinstance(item.names, PixelNames):
        return  # of which none is told alone
    if len(details.baseline) != len(item.names):
        raise StorageError(
            f"{where}: need a value and a baseline for each of {len(item.names)} names, got "
            f"{len(item.values)} and {len(details.baseline)}"
        )
    if [one.players for one in details.singles] != [(i,) for i in range(len(item.names))]:
        raise StorageError(f"{where}: need one entry of 'singles' for each of {len(item.names)} names")


def _check_mask(item: Explanation, where: str) -> None:
    need(item.sets, ("unified",), "sets", where)
    need(item.unified.measures, _GAPS, "measures", where)
    need(item.settings, ("alpha", "steps"), "settings", where)
    _check_whole(item.settings, "steps", where)
    if not 0.0 <= item.alpha <= 1.0:
        raise StorageError(f"{where}: need an α from 0 to 1, got {item.alpha}")


def _check_whole(values: Mapping[str, object], name: str, where: str) -> None:
    if type(values[name]) is not int:
        raise StorageError(f"{where}: {name!r} must be a whole number, got {values[name]!r}")
