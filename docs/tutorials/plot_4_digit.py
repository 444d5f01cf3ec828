"""
A network and a digit
=====================

Which pixels are sufficient for a network to recognise a digit, and which are necessary? The example is a
small network on scikit-learn's digits of 8 x 8 pixels.
"""

import torch
from sklearn.datasets import load_digits

import onlyif
from onlyif.plots import plot_image_sets, plot_kept_and_hidden, plot_mask_montage

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
# Sets of given sizes
# -------------------
# ``size`` names the sizes to look for, as shares of the pixels. Hidden pixels take the values of the mean
# image.

seven = images[1200]
print("the digit is a", int(label[1200]))
found = onlyif.explain(
    network,
    seven[None],
    background=images[:1200],
    size=[0.05, 0.1, 0.2],
    output="probability",
    budget=1500,
    progress=False,
)
digits = [f"digit {i}" for i in range(10)]
plot_image_sets(seven, found, [0.05, 0.1, 0.2], title="A seven", class_names=digits)

# %%
# Each row of pictures is a kind of set, each column a size. Δsuf is the change of the probability when only
# these pixels are kept, Δnec its distance from the average when only these are hidden: 0 is best. Outlined
# pixels need not be ink: the network may need to know that a place is *black*.
#
# The smallest sets whose gap is within a tenth of the distance to the average:

print("sufficient:", found[0].sufficient)
print("necessary:", found[0].necessary)

# %%
# The paper's masks
# -----------------
# Masks with a penalty on their size, from necessary (α = 0) to sufficient (α = 1). The text below each says
# whether it holds.

from onlyif.criteria.soft_weights import variation_at
from onlyif.searches.relaxed_masks import MaskQuestion
from onlyif.searches.relaxed_module import module_masks

mean = images[:1200].mean(0)
question = MaskQuestion(alphas=(0.0, 0.25, 0.5, 0.75, 1.0), size=0.5, variation=variation_at(8))
masks = module_masks(network, seven[None], mean, None, question)
plot_mask_montage(seven, masks, title="A seven", class_names=digits)

# %%
# The image with only the set kept, and with only the set hidden, and the prediction for both.

item = masks.at_alpha(0.5)[0]
kept = torch.from_numpy(item.hard)
shown = torch.stack([torch.where(kept, seven, mean), torch.where(kept, mean, seven)])
with torch.no_grad():
    answers = network(shown).softmax(1)[:, item.target].tolist()
plot_kept_and_hidden(seven, mean, item, tuple(answers), title="A seven", class_names=digits)

# %%
# :doc:`/masks` describes other references for hidden pixels, superpixels and settings.
