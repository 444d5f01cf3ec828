"""
Why was this application declined?
==================================

A bank's model declines an application. The applicant asks why, and the bank wants reasons that it can stand
by. This page asks for them, reads them, and says what may be told to the applicant.

The applications are made up (``lending.py`` beside this script), so that nobody's data is shown.
"""

import lightgbm
import pandas as pd
from lending import applications

import onlyif
from onlyif.plots import plot_continuum, plot_explanation, plot_waterfall

table = applications(1500)
texts = ["earlier default", "housing", "purpose"]
table[texts] = table[texts].astype("category")
X, granted = table.drop(columns="granted"), table["granted"]
model = lightgbm.LGBMClassifier(n_estimators=60, num_leaves=8, verbose=-1, random_state=0).fit(
    X[:1000], granted[:1000]
)
print(f"{model.score(X[1000:], granted[1000:]):.0%} of 500 later applications are decided as in the table")

# %%
# One declined application. ``against="other decisions"`` compares it with applications that the model
# grants: a reason for a refusal is what sets this application apart from those.

declined = X[1000:][model.predict(X[1000:]) == "no"]
applicant = declined.iloc[[2]]
pd.DataFrame(applicant).T

# %%
reasons = onlyif.explain(
    model, applicant, background=X[:1000], against="other decisions", keep_table=True, progress=False
)
reason = reasons[0]
plot_explanation(reason)

# %%
# **How to read it.** Columns are sets of features. KEEP is the smallest set that is *sufficient*: give
# these values to granted applications, whatever else they hold, and the decision is "no" on average. HIDE
# is the smallest set that is *necessary*: give this application the values of granted ones there, and it is
# granted on average. The bars at the right are Shapley values, which most people know; they share out the
# difference, but do not say what is enough.
#
# The same in words, for the applicant and for the bank's analyst:

for sentence in reason.sentences(audience="applicant"):
    print("-", sentence)
print()
for sentence in reason.sentences(audience="analyst"):
    print("-", sentence)

# %%
# From the average of granted applications to this one, along the sufficient set:

plot_waterfall(reason)

# %%
# And all that lies between "needed" and "enough": the best set for each weighting α of the two.

plot_continuum(reason)

# %%
# Reasons that may be given
# -------------------------
# A bank may not want to give some columns as a reason, or may not be allowed to. ``never=`` looks for the
# smallest sets among the others; the result says so, and says where no such set is enough.

permitted = onlyif.explain(
    model,
    applicant,
    background=X[:1000],
    against="other decisions",
    never=["housing", "years in job"],
    progress=False,
)[0]
print(permitted.sufficient, "|", permitted.sufficient.sufficiency.value <= permitted.epsilon)

# %%
# How sure is it? ``stability=50`` asks whether other samples of background rows would give the same sets.
# Here they agree on what is needed. What is enough is less settled: several sets do nearly as well, so that
# a letter to the applicant should rest on the needed one.

sure = onlyif.explain(
    model, applicant, background=X[:1000], against="other decisions", stability=50, progress=False
)[0]
for kind, found in sure.stability.items():
    print(f"{kind}: {found.sentence}")

# %%
# What may be claimed with this, and what may not, is on a page of its own: :doc:`/wording`.
