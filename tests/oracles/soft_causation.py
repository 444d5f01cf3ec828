"""The relaxed parts of PNS by plain loops: over the inputs of E and the random choices, one row at a time."""

import math


def mixed(row, end, share, owner, choice):
    """x∘(1 - s∘m) + x'∘s∘m for one row."""
    hit = [share[p] * choice[p] for p in owner]
    return [(1 - h) * a + h * e for a, e, h in zip(row, end, hit, strict=True)]


def near(row, x, share, owner, b):
    """exp(-‖s∘x - s∘x^t‖² / 2b²)."""
    total = sum((share[p] * (a - e)) ** 2 for p, a, e in zip(owner, row, x, strict=True))
    return math.exp(-total / (2 * b * b))


def kernel(change, c):
    """1 - exp(-|Δf|² / 2c²)."""
    return 1 - math.exp(-change * change / (2 * c * c))


def exponential(change, _):
    """1 - exp(-|Δf|)."""
    return 1 - math.exp(-change)


def changes(question, number, share, choices):
    """|f(g) - f| of one input under every choice."""
    row = question.inputs[number]
    base = question.model(row)
    return [
        question.change(question.model(mixed(row, question.baseline, share, question.owner, choice)), base)
        for choice in choices
    ]


def mean(values):
    """The plain mean."""
    return sum(values) / len(values)


def parts(question, s, drawn, *, surrogate=kernel, abduction="weighted"):
    """PN·P(A, B) and PS·P(Ā, B̄) of one mask; `drawn[input][choice][player]` serves both stages."""
    rest, n = [1 - value for value in s], len(question.inputs)
    near_s = [near(row, question.x, s, question.owner, question.b) for row in question.inputs]
    near_rest = [near(row, question.x, rest, question.owner, question.b) for row in question.inputs]
    on_s = [changes(question, i, s, drawn[i]) for i in range(n)]
    on_rest = [changes(question, i, rest, drawn[i]) for i in range(n)]
    fact_s = [mean([kernel(one, question.c) for one in each]) for each in on_s]
    fact_rest = [1 - mean([kernel(one, question.c) for one in each]) for each in on_rest]
    changed = [mean([surrogate(one, question.c) for one in each]) for each in on_s]
    unchanged = [1 - mean([surrogate(one, question.c) for one in each]) for each in on_rest]
    w_nc = [a * f for a, f in zip(near_s, fact_s, strict=True)]
    w_sf = [a * f for a, f in zip(near_rest, fact_rest, strict=True)]
    for_pn, for_ps = {
        "weighted": (w_nc, w_sf),
        "unweighted": ([1.0] * n, [1.0] * n),
        "plain": (near_rest, near_s),
    }[abduction]
    pn = sum(w * u for w, u in zip(for_pn, unchanged, strict=True)) / sum(for_pn)
    ps = sum(w * u for w, u in zip(for_ps, changed, strict=True)) / sum(for_ps)
    return [pn * mean(w_nc), ps * mean(w_sf)]


def drawn_by_weight(weights, uniforms):
    """For each uniform number the first input whose cumulated weight exceeds it."""
    total, found = sum(weights), []
    for u in uniforms:
        cumulated = 0.0
        for number, weight in enumerate(weights):
            cumulated += weight
            if cumulated > u * total:
                found.append(number)
                break
        else:
            found.append(len(weights) - 1)
    return found


def resampled(question, s, factual, intervened, uniforms, *, surrogate=kernel):
    """The parts with inputs drawn again by weight; `uniforms` of PN and of PS."""
    rest, n = [1 - value for value in s], len(question.inputs)
    w_nc, w_sf = [], []
    for i in range(n):
        fact = mean([kernel(one, question.c) for one in changes(question, i, s, factual[i])])
        w_nc.append(near(question.inputs[i], question.x, s, question.owner, question.b) * fact)
        fact = mean([kernel(one, question.c) for one in changes(question, i, rest, factual[i])])
        w_sf.append(near(question.inputs[i], question.x, rest, question.owner, question.b) * (1 - fact))
    pn, ps = [], []
    for place, number in enumerate(drawn_by_weight(w_nc, uniforms[0])):
        found = changes(question, number, rest, intervened[place])
        pn.append(1 - mean([surrogate(one, question.c) for one in found]))
    for place, number in enumerate(drawn_by_weight(w_sf, uniforms[1])):
        ps.append(
            mean([surrogate(one, question.c) for one in changes(question, number, s, intervened[place])])
        )
    return [mean(pn) * mean(w_nc), mean(ps) * mean(w_sf)]
