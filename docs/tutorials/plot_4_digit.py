"""
A network and a digit
=====================

Which pixels are enough for a network to see a 7, and without which does it no longer see one? A small network
on scikit-learn's digits of 8 x 8 pixels, so that this page is built in seconds.
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
    torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(1024, 10)
)
optimiser = torch.optim.Adam(network.parameters(), 0.01)
for _ in range(60):
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(network(images[:1200]), label[:1200]).backward()
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
    progress=False,
)
digits = [f"digit {i}" for i in range(10)]
plot_image_sets(seven, found, [0.05, 0.1, 0.2], title="A seven", class_names=digits)

# %%
# A row of pictures is a question, a column a size. Δsuf says how far the probability moves when only these
# pixels are kept, Δnec how far it is from the average when only these are hidden: 0 is best. What is
# outlined need not be ink: that a place is *black* may be what the network needs to know.
#
# The smallest sets that do, within a tenth of the whole distance:

print("enough:", found[0].sufficient)
print("needed:", found[0].necessary)

# %%
# The paper's masks
# -----------------
# A mask with a weight on its size, for several α: from needed (0) to enough (1). Below each stands whether
# it holds.

from onlyif.criteria.soft_weights import variation_at
from onlyif.searches.relaxed_masks import MaskQuestion
from onlyif.searches.relaxed_module import module_masks

mean = images[:1200].mean(0)
question = MaskQuestion(alphas=(0.0, 0.25, 0.5, 0.75, 1.0), size=0.5, variation=variation_at(8))
masks = module_masks(network, seven[None], mean, None, question)
plot_mask_montage(seven, masks, title="A seven", class_names=digits)

# %%
# Seen with the network's eyes: the image with only the set kept, and with the set hidden, and what it says
# to each.

item = masks.at_alpha(0.5)[0]
kept = torch.from_numpy(item.hard)
shown = torch.stack([torch.where(kept, seven, mean), torch.where(kept, mean, seven)])
with torch.no_grad():
    answers = network(shown).softmax(1)[:, item.target].tolist()
plot_kept_and_hidden(seven, mean, item, tuple(answers), title="A seven", class_names=digits)

# %%
# :doc:`/masks` has references for hidden pixels (blur, other images), superpixels and settings;
# :doc:`/amortised` trains a network that gives masks in one pass.
