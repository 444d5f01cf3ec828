"""PN, PS and PNS by plain loops over the inputs of E and the choices of what is perturbed, row by row."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations


def all_choices(phi):
    """Every set of perturbed players out of some, with its probability; for any input of E."""

    def choices(number, players):
        chosen = sorted(players)
        return [
            (frozenset(picked), phi**size * (1 - phi) ** (len(chosen) - size))
            for size in range(len(chosen) + 1)
            for picked in combinations(chosen, size)
        ]

    return choices


def given_choices(drawn):
    """Those of given random choices `drawn[input][choice][player]`, each equally probable."""

    def choices(number, players):
        lists = drawn[number]
        return [(frozenset(p for p in players if one[p]), 1 / len(lists)) for one in lists]

    return choices


def plain_square(a, b, column):
    """The paper's distance on one entry; missing values are equal to one another alone."""
    if math.isnan(a) or math.isnan(b):
        return 0.0 if math.isnan(a) and math.isnan(b) else math.inf
    return (a - b) ** 2


@dataclass(frozen=True)
class Asked:
    """One instance x, E and all settings of the test, as lists, numbers and functions."""

    model: Callable
    change: Callable
    inputs: list
    x: list
    baseline: list
    owner: list
    n_players: int
    b: float
    c: float
    soft: bool = True
    mean: bool = False
    square: Callable = plain_square
    choices: Callable = field(default_factory=lambda: all_choices(0.5))
    abduction: str = "weighted"
    digits: int = 30

    @cached_property
    def answers(self):
        """The model's answers to all inputs as they are."""
        return [self.model(row) for row in self.inputs]


def near(asked, row, players):
    """The weight of being close to x on some players."""
    squares = [asked.square(row[j], asked.x[j], j) for j in range(len(row)) if asked.owner[j] in players]
    total = sum(squares)
    if asked.mean and squares:
        total /= len(squares)
    if asked.soft:
        return math.exp(-total / (2 * asked.b**2))
    return 1.0 if math.sqrt(total) <= asked.b * (1 + 1e-12) else 0.0


def read(asked, change):
    """A change without rounding: 0, or c, where it differs from that in digits not to be trusted alone."""
    rounding = 2.0**-asked.digits * max(asked.c, *(asked.change(f, [0.0] * len(f)) for f in asked.answers))
    close = [value for value in (asked.c, 0.0) if abs(change - value) <= rounding]
    return close[-1] if close else change


def perturbed(asked, number, players):
    """Expected soft event and probability of |Δf| > c, when some of these players go to the baseline."""
    row = asked.inputs[number]
    start, soft, hard = asked.model(row), 0.0, 0.0
    for at_baseline, probability in asked.choices(number, players):
        moved = [asked.baseline[j] if asked.owner[j] in at_baseline else row[j] for j in range(len(row))]
        change = read(asked, asked.change(asked.model(moved), start))
        above = 1.0 if change > asked.c else 0.0
        soft += probability * (1 - math.exp(-(change**2) / (2 * asked.c**2)) if asked.soft else above)
        hard += probability * above
    return soft, hard


def per_input(asked, s):
    """For each input: closeness on s and outside, soft and hard change by s and by the rest."""
    rest = set(range(asked.n_players)) - set(s)
    found = []
    for number, row in enumerate(asked.inputs):
        near_s, near_rest = near(asked, row, s), (near(asked, row, rest) if rest else 0.0)
        soft_rest, hard_rest = perturbed(asked, number, rest)
        # 1 minus a mean this near to 1 is rounding: the event never happens.
        soft_rest = 1.0 if 1 - soft_rest <= 2.0**-48 else soft_rest
        found.append((near_s, near_rest, *perturbed(asked, number, s), soft_rest, hard_rest))
    return found


def over(part, whole):
    """A conditional probability, 0 for null events."""
    return part / whole if whole > 0 else 0.0


def probabilities(asked, s):
    """PN, PS, P(A,B), P(Ā,B̄), PNS and its two parts."""
    rows, n = per_input(asked, s), len(asked.inputs)
    w_nc = [near_s * soft_s for near_s, _, soft_s, _, _, _ in rows]
    w_sf = [near_rest * (1 - soft_rest) for _, near_rest, _, _, soft_rest, _ in rows]
    unchanged = [1 - hard_rest for *_, hard_rest in rows]
    changed = [hard_s for _, _, _, hard_s, _, _ in rows]
    for_pn, for_ps = {
        "weighted": (w_nc, w_sf),
        "unweighted": ([1.0] * n, [1.0] * n),
        "plain": ([row[1] for row in rows], [row[0] for row in rows]),
    }[asked.abduction]
    pn = over(sum(w * u for w, u in zip(for_pn, unchanged, strict=True)), sum(for_pn))
    ps = over(sum(w * u for w, u in zip(for_ps, changed, strict=True)), sum(for_ps))
    p_ab, p_not = sum(w_nc) / n, sum(w_sf) / n
    return [pn, ps, p_ab, p_not, pn * p_ab + ps * p_not, pn * p_ab, ps * p_not]


def effective_sizes(asked, s):
    """(Σw)² / Σw² of w_NC and w_SF."""
    rows = per_input(asked, s)
    weights = [r[0] * r[2] for r in rows], [r[1] * (1 - r[4]) for r in rows]
    return [over(sum(w) ** 2, sum(v * v for v in w)) for w in weights]


def sample_errors(asked, s):
    """Standard errors over E of the seven numbers, with weights: the spread of each input's influence."""
    rows, n = per_input(asked, s), len(asked.inputs)
    values = probabilities(asked, s)
    w = [r[0] * r[2] for r in rows]
    v = [r[1] * (1 - r[4]) for r in rows]
    wh = [a * (1 - r[5]) for a, r in zip(w, rows, strict=True)]
    vh = [a * r[3] for a, r in zip(v, rows, strict=True)]
    influences = [
        [over(a - values[0] * b, values[2]) for a, b in zip(wh, w, strict=True)],
        [over(a - values[1] * b, values[3]) for a, b in zip(vh, v, strict=True)],
        w,
        v,
        [a + b for a, b in zip(wh, vh, strict=True)],
        wh,
        vh,
    ]
    means = [sum(one) / n for one in influences]
    return [
        math.sqrt(sum((value - mean) ** 2 for value in one) / (n * (n - 1)))
        for one, mean in zip(influences, means, strict=True)
    ]
