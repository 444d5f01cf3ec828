"""A made-up but plausible table of loan applications, for the documentation; some columns are texts.

The rule behind the labels is known, so that explanations can be compared with it: debts and earlier
defaults count most, income only beside the loan, and the purpose hardly at all.
"""

import numpy as np
import pandas as pd

PURPOSES = ["car", "home repair", "business", "debts", "wedding"]
HOUSING = ["owner", "mortgage", "tenant"]


def applications(count: int, seed: int = 0) -> pd.DataFrame:
    """Applications of people who do not exist, with what became of them in the column `granted`."""
    draw = np.random.default_rng(seed)
    income = np.round(np.exp(draw.normal(10.4, 0.45, count)), -2)
    loan = np.round(income * draw.uniform(0.05, 1.1, count), -2)
    months = draw.choice([12, 24, 36, 48, 60], count)
    table = pd.DataFrame(
        {
            "yearly income": income,
            "loan": loan,
            "months": months,
            "share of income for debts": np.round(draw.beta(2.0, 5.0, count), 2),
            "years in job": np.round(draw.gamma(1.6, 3.5, count)).astype(int),
            "late payments in 2 years": draw.poisson(0.6, count),
            "earlier default": draw.choice(["no", "yes"], count, p=[0.9, 0.1]),
            "housing": draw.choice(HOUSING, count, p=[0.25, 0.35, 0.4]),
            "purpose": draw.choice(PURPOSES, count),
        }
    )
    burden = 12 * loan / months / income + table["share of income for debts"]
    worry = (
        6.0 * (burden - 0.55)
        + 0.7 * table["late payments in 2 years"]
        + 2.2 * (table["earlier default"] == "yes")
        - 0.06 * table["years in job"].clip(upper=15)
        - 0.5 * (table["housing"] == "owner")
        - 0.9
    )
    granted = draw.random(count) > 1 / (1 + np.exp(-worry))
    return table.assign(granted=np.where(granted, "yes", "no"))
