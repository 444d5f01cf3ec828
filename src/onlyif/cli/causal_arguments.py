"""The arguments of --criterion pns."""

import argparse
from collections.abc import Callable

from onlyif.causation.settings import BOUNDARIES, EVENTS, SAMPLES, THRESHOLDS
from onlyif.setup.names import CRITERIA


def add_causes(made: argparse.ArgumentParser) -> None:
    """Add them to a parser."""
    group = made.add_argument_group("causes instead of sets; --size is then that of the cause (default: 3)")
    group.add_argument(
        "--criterion",
        choices=[*CRITERIA],
        default="sne",
        help="sets that suffice and that are needed (sne), or the most probable necessary and sufficient "
        "cause (pns) (default: sne)",
    )
    rules = {"b": [*BOUNDARIES], "c": [*THRESHOLDS]}
    group.add_argument(
        "--b",
        type=_number_or(rules["b"]),
        metavar="B",
        help=f"rows within this distance are near: a number, or {' or '.join(rules['b'])} (default: typical)",
    )
    group.add_argument(
        "--c",
        type=_number_or(rules["c"]),
        metavar="C",
        help="largest change of the prediction that counts as none: a number, or "
        f"{' or '.join(rules['c'])} (default: spread)",
    )
    group.add_argument(
        "--sample", choices=[*SAMPLES], help="background rows that are compared (default: random ones)"
    )
    group.add_argument(
        "--events", choices=[*EVENTS], help="weights, or within b and c or not at all (default: soft)"
    )


def _number_or(names: list[str]) -> Callable[[str], float | str]:
    def parsed(text: str) -> float | str:
        if text in names:
            return text
        try:
            return float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"need a number or {', '.join(names)}, got {text!r}") from None

    return parsed
