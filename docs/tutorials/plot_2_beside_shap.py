"""
Comparing with SHAP
===================

SHAP shares the distance between a prediction and the average among the features. onlyif says which features
are *sufficient* for the prediction, and which are *necessary*. Both are right; they answer different
questions. This page applies both to one model, and shows two cases in which the difference matters.
"""

import numpy as np
import pandas as pd
import shap
from matplotlib import pyplot
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

import onlyif
from onlyif.plots import plot_explanation

cells, label = load_breast_cancer(return_X_y=True, as_frame=True)
cells = cells[[name for name in cells if name.startswith("mean ")]].rename(columns=lambda name: name[5:])
label = label.map({0: "malignant", 1: "benign"})
forest = RandomForestClassifier(50, min_samples_leaf=3, random_state=0).fit(cells[:400], label[:400])
background, row = cells[:100], cells.iloc[[444]]

# %%
# The same numbers first
# ----------------------
# onlyif compares all 2^10 subsets of the features, so it has SHAP's values on the way: the same to four
# digits, where both replace hidden features by the same background rows.

ours = onlyif.explain(
    forest, row, background=background, target="malignant", keep_table=True, progress=False
)[0]
explainer = shap.TreeExplainer(
    forest, background, feature_perturbation="interventional", model_output="probability"
)
theirs = explainer.shap_values(row)[0, :, list(forest.classes_).index("malignant")]
print(f"largest difference: {np.abs(theirs - ours.shapley).max():.1e}")

# %%
# What SHAP shows: one bar a feature.

figure, ax = pyplot.subplots(figsize=(7, 3.4), layout="constrained")
order = np.argsort(np.abs(theirs))
ax.barh([cells.columns[i] for i in order], theirs[order], color="#8C8C8C")
ax.set_xlabel("SHAP value")

# %%
# What onlyif shows: the same bars at the right, and the sets at the left. All ten features have a bar, but
# the few under KEEP are sufficient, and without those under HIDE the prediction is back at the average.

plot_explanation(ours)

# %%
# Case 1: two columns that say the same
# -------------------------------------
# SHAP shares the amount of a column among its copies, so that each looks half as important. The sets show
# that either of the two is sufficient (all minimal sets are listed), and that both must be hidden to remove
# the information.


def either(x: np.ndarray) -> np.ndarray:
    """A score that needs the first or the second column, which are copies, and a little of the third."""
    return 0.9 * np.maximum(x[:, 0], x[:, 1]) + 0.1 * x[:, 2]


draw = np.random.default_rng(0)
income = draw.integers(0, 2, 200).astype(float)
copies = pd.DataFrame({"income": income, "income (copy)": income, "age": draw.random(200)})
two = onlyif.explain(
    lambda x: either(np.asarray(x, float)),
    pd.DataFrame([[1.0, 1.0, 0.5]], columns=copies.columns),
    background=copies,
    epsilon=0.2,
    progress=False,
)[0]
print("Shapley values:", dict(zip(two.names, two.shapley.round(3).tolist(), strict=True)))
print("sufficient:", [str(found) for found in two.alternatives["sufficient"]])
print("necessary:", [str(found) for found in two.alternatives["necessary"]])

# %%
# Case 2: a feature that matters only beside another
# --------------------------------------------------
# A rule "if both are large". SHAP gives each half. onlyif says that hiding *one* removes the prediction, and
# that *both* must be kept to keep it.

both = onlyif.explain(
    lambda x: (np.asarray(x)[:, :2] > 0.5).all(1).astype(float),
    np.array([[0.9, 0.9, 0.1]]),
    background=np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
    progress=False,
)[0]
print("Shapley values:", both.shapley.tolist())
print("sufficient:", both.sufficient, " necessary:", both.necessary)

# %%
# Which to use
# ------------
# =====================================================  ========================
# question                                               use
# =====================================================  ========================
# How much did each feature add?                         SHAP, or ``item.shapley``
# Which features are sufficient?                         ``item.sufficient``
# Which features are necessary?                          ``item.necessary``
# Which other sets would do?                             ``item.alternatives``
# How sure is the answer?                                ``item.certificate``, ``item.verdicts``
# Thousands of features, no groups of them               SHAP
# =====================================================  ========================
#
# :doc:`/coming_from` has the names of both libraries side by side.
