"""
A learned explainer
===================

The search for sets of pixels calls the network thousands of times for a single image. If there are many
images of one kind, a second network can learn to predict the sets in one pass. Is it any good? This page
trains one in seconds, compares it with the search, and shows what to check before it is used.

A training this short, on images this small, only shows how it works.
"""

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits

import onlyif
from onlyif.plots import plot_image_sets

pixels, label = load_digits(return_X_y=True)
images = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
label = torch.tensor(label)
torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(512, 10)
)
optimiser = torch.optim.Adam(network.parameters(), 0.01)
for step in range(120):
    some = slice(step % 12 * 100, step % 12 * 100 + 100)
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(network(images[some]), label[some]).backward()
    optimiser.step()
accuracy = (network(images[1200:]).argmax(1) == label[1200:]).float().mean()
print(f"{accuracy:.0%} of 597 digits that it was not trained on are recognised")

# %%
# Train
# -----
# ``estimate_training`` says what a training costs before it starts. ``train_explainer`` needs images, but no
# labels: it learns from the predictions of the network.

train = images[:1000]
training = {"background": train, "size": [0.1, 0.3], "steps": 60, "batch": 16}
forecast = onlyif.estimate_training(network, train, **training)
print(f"{forecast.model_rows:,} model rows")
learned = onlyif.train_explainer(network, train, **training, progress=False)

# %%
# Use it
# ------
# The prediction of the learned explainer is a starting point. A short search improves it on each image, and
# the sets are measured as always.

some = images[1200:1202]
ask = {"background": train, "size": [0.1, 0.2, 0.3], "progress": False}
quick = onlyif.explain(network, some, search=learned, **ask)
print(quick[0].provenance.start)
digits = [f"digit {i}" for i in range(10)]
plot_image_sets(some[0], quick[0], [0.1, 0.2, 0.3], title="A digit", class_names=digits)

# %%
# Compare it with the search
# --------------------------
# The same two digits with the full search. A gap of 0 is best.

full = onlyif.explain(network, some, **ask)


def averages(every: onlyif.Explanations) -> dict[str, float]:
    """Means over the digits: cost, and both gaps of sets with 20 % of the pixels."""
    return {
        "model rows": np.mean([item.model_rows for item in every]),
        "Δsuf at 20 %": np.mean([item.at_size(0.2, 1.0).sufficiency.value for item in every]),
        "Δnec at 20 %": np.mean([item.at_size(0.2, 0.0).necessity.value for item in every]),
    }


table = pd.DataFrame({"learned, then a short search": averages(quick), "full search": averages(full)}).T
table.round(3)

# %%
# When to use it
# --------------
# The full search finds the better sets; the learned explainer needs a fifth of its model rows. The short
# search does most of the work, here as on larger images, and a training takes as long as dozens of searches:
# it can pay for hundreds of images, if its sets are good enough. Two things to check: compare with the full
# search on some images, as here, and test whether the masks give the label away, which a learned mask can do
# without pointing at evidence: :doc:`/amortised` shows how, and what came out on faces.
