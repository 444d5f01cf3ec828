"""
Why was this application declined?
==================================

A bank's model declines an application. The applicant asks why, and the bank wants reasons that are true. This
page computes them, explains how to read them, and shows what to tell the applicant.

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
model = lightgbm.LGBMClassifier(n_estimators=40, num_leaves=8, verbose=-1, random_state=0).fit(
    X[:1000], granted[:1000]
)
print(f"{model.score(X[1000:], granted[1000:]):.0%} of 500 later applications are decided as in the table")

# %%
# One declined application. ``against="other decisions"`` compares it with applications that the model
# grants: a reason for a refusal is what distinguishes this application from those.

clear = model.predict_proba(X[1000:])[:, list(model.classes_).index("no")] > 0.8
applicant = X[1000:][clear].iloc[[0]]
pd.DataFrame(applicant).T

# %%
reasons = onlyif.explain(
    model,
    applicant,
    background=X[:1000],
    against="other decisions",
    stability=50,
    keep_table=True,
    progress=False,
)
reason = reasons[0]
plot_explanation(reason)

# %%
# **How to read it.** Columns are sets of features. KEEP is the smallest *sufficient* set: if granted
# applications had these values, the decision would be "no" on average. HIDE is the smallest *necessary* set:
# if this application had the values of granted ones there, it would be granted on average. The bars at the
# right are Shapley values. They share the difference among all features, but do not say which are sufficient.
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
# And everything between necessary (α = 0) and sufficient (α = 1): the best set for each weight α.

plot_continuum(reason)

# %%
# Reasons that may be given
# -------------------------
# A bank may not be allowed to give some columns as a reason. ``never=`` finds the smallest sets among the
# other columns, or says that no such set is sufficient.

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
# How sure is it? ``stability=50`` above asked whether other samples of background rows would give the same
# sets. If the shares are low, several sets do nearly as well, and a letter to the applicant should rest on
# the set with the higher share.

for kind, stable in reason.stability.items():
    print(f"{kind}: {stable.sentence}")

# %%
# :doc:`/wording` lists what may be claimed with these results, and what may not.
