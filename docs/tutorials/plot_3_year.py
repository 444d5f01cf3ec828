"""
A year of decisions
===================

An auditor looks at a model's decisions of a whole year. Which features decide, in how many cases? Are there
people whose decision rests on something that it should not? Do the explanations hold, and could somebody
repeat them?
"""

import tempfile
from pathlib import Path

import lightgbm
from lending import applications
from matplotlib import pyplot

import onlyif
from onlyif.plots import plot_beeswarm, plot_explanation, plot_summary

table = applications(1150)
table["earlier default"] = (table["earlier default"] == "yes").astype(int)
table = table.drop(columns=["housing", "purpose"])
X, granted = table.drop(columns="granted"), table["granted"]
model = lightgbm.LGBMClassifier(n_estimators=40, num_leaves=8, verbose=-1, random_state=0).fit(
    X[:1000], granted[:1000]
)
year = X[1000:]

# %%
# All decisions in one call. An :class:`onlyif.Explainer` prepares the model once, so that later calls are
# fast; ``estimate`` says in advance what a call will cost.

ask = onlyif.Explainer(model, X[:1000], output="margin", progress=False)
print(ask.estimate(year))
found = ask(year)
found

# %%
# Which features are in how many sets
# -----------------------------------

plot_summary(found)

# %%
# In which rows
# -------------
# A dot is a row whose sufficient set holds the feature, at the prediction of that row, coloured by the
# feature's value: where the score is low, many late payments (bright) are sufficient; where it is high, few
# of them (dark).

plot_beeswarm(found)

# %%
# As a table, to be filtered like any other: for which rows are the years in the job necessary?

frame = found.to_frame()
rests = frame[
    (frame["selection"] == "necessary") & frame["players"].map(lambda players: "years in job" in players)
]
print(f"{len(rests)} of {len(found)} rows; by verdict: {rests['verdict'].value_counts().to_dict()}")
frame.head(6)

# %%
# One of them that has an ordinary explanation:

row = rests.loc[rests["status"] == "explained", "row"].iloc[0]
plot_explanation(found.of_row(row)[0])

# %%
# Do they hold?
# -------------
# The summary counts how many sets hold, on background rows that were not used in the search if there are
# any, and how many rows have no ordinary explanation.

print(onlyif.summary(found))

# %%
# Would another sample of the background give the same sets? Fifty resamples of it, for some rows:

some = onlyif.explain(model, year[:12], background=X[:1000], output="margin", stability=50, progress=False)
shares = [item.stability["sufficient"].share.value for item in some]
figure, ax = pyplot.subplots(figsize=(6, 2.6), layout="constrained")
ax.hist(shares, bins=[0.1 * i for i in range(11)], color="#0072B2")
ax.set_xlabel("share of resampled backgrounds that give the same sufficient set")
ax.set_ylabel("rows")

# %%
# Files that can be checked
# -------------------------
# What is saved holds everything that was computed: values, seeds, versions, settings. Loading runs no code.

with tempfile.TemporaryDirectory() as folder:
    stem = onlyif.save(found, Path(folder) / "year")
    files = {path.name: path.stat().st_size for path in sorted(Path(folder).iterdir())}
    again = onlyif.load(stem)
print(files, again == found)

# %%
# On the command line, the same is ``onlyif explain model.txt --data year.csv --background train.csv --out
# year/``, which can be continued after an interruption and records its options: :doc:`/cli`.
