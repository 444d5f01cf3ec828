"""Whether stated stability recurs where the truth is known: sets chosen by normal means over a background.

    python experiments/recurrence.py

Six sets have true gaps that are normal with a spread of 1, 2 or 4 standard errors of a gap over a
background. A background gives 17 means of groups; chosen is the set with the least mean gap, or the first
one within a limit. Its stated stability is that of 200 resamples, as the library draws them. Printed is how
often a second, independent background gives the same set: of all, and of those whose stated stability is at
least .9, with standard errors over 4,000 repetitions.
"""

import numpy as np

from onlyif.restrictions.groups import groups_of

N_REPEATED, N_SETS, N_GROUPS, N_RESAMPLES, SURE = 4_000, 6, 17, 200, 0.9


def least(means):
    """The set with the least mean."""
    return means.argmin(-1)


def first_within(means):
    """The first set whose mean is not above 0; the number of all where there is none."""
    within = means <= 0
    return np.where(within.any(-1), within.argmax(-1), N_SETS)


def share(hits):
    """A share with its standard error."""
    return f"{hits.mean():.3f} ± {hits.std() / len(hits) ** 0.5:.3f}"


def main():
    """Print one line for each way of choosing and spread."""
    weights = groups_of(10 * N_GROUPS, N_RESAMPLES, seed=0).weights
    rng = np.random.default_rng(0)
    for choose in (least, first_within):
        for spread in (1.0, 2.0, 4.0):
            truth = rng.normal(0, spread, (N_REPEATED, N_SETS))
            noise = rng.normal(size=(2, N_REPEATED, N_SETS, N_GROUPS)) * N_GROUPS**0.5
            first, second = truth[..., None] + noise
            chosen, other = choose(first.mean(2)), choose(second.mean(2))
            resampled = choose(np.einsum("rg,nkg->nrk", weights, first))
            stated = (resampled == chosen[:, None]).mean(1)
            recurs, sure = chosen == other, stated >= SURE
            print(
                f"{choose.__name__}, spread {spread:g}: stated {stated.mean():.3f}, recurs {share(recurs)}; "
                f"stated at least {SURE}: {sure.mean():.3f} of sets, {stated[sure].mean():.3f} stated, "
                f"recurs {share(recurs[sure])}"
            )


if __name__ == "__main__":
    main()
