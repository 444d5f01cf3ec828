"""A reference of your own: hidden features come from what you know of how the data arise.

A machine reports its load, its temperature and its vibration. Temperature and
vibration follow the load, the alarm follows temperature and vibration. Someone who
is told the load alone can guess the rest; a simulator does just that.
"""

import numpy as np

import onlyif

NAMES = ("load", "temperature", "vibration")


def simulate(load: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Temperature and vibration for given loads."""
    temperature = 40 + 50 * load + rng.normal(0, 4, len(load))
    vibration = 1 + 3 * load**2 + rng.normal(0, 0.3, len(load))
    return np.column_stack([load, temperature, vibration])


def alarm(rows: np.ndarray) -> np.ndarray:
    """The model: the probability of an alarm. It does not look at the load."""
    return 1 / (1 + np.exp(-0.3 * (rows[:, 1] - 75) - 2 * (rows[:, 2] - 3)))


def as_usual(x: np.ndarray, keep: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Rows of n machines that agree with x on what is kept: simulated ones, the nearest of many."""
    rng = np.random.default_rng(seed)
    machines = simulate(rng.uniform(0, 1, 50 * n), rng)
    apart = np.abs(machines - x)[:, keep] / machines.std(0)[keep]
    nearest = np.argsort(apart.sum(1), kind="stable")[: 3 * n]
    return machines[rng.choice(nearest, n)] if keep.any() else machines[:n]


def main() -> None:
    rng = np.random.default_rng(0)
    background = simulate(rng.uniform(0, 1, 500), rng)
    asked = np.array([[0.95, 88.0, 3.8]])
    told = onlyif.Replacement(as_usual, "Hidden readings are those of simulated machines like this one.")
    for reference in ("marginal", told):
        found = onlyif.explain(alarm, asked, background=background, reference=reference)[0]
        sufficient, necessary = (
            [NAMES[i] for i in chosen.players] for chosen in (found.sufficient, found.necessary)
        )
        print(found.provenance.reference)
        print(
            f"  f(x) = {found.prediction:.3f}, f_0 = {found.base:.3f}, {found.certificate.basis.name.lower()}"
        )
        print(f"  sufficient: {', '.join(sufficient)}; necessary: {', '.join(necessary)}\n")


if __name__ == "__main__":
    main()
