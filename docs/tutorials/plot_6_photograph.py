"""
A photograph with a known answer
================================

Do the sets of pixels lie where the evidence is? That can only be checked if the evidence is known. So this
page makes its own task from the two photographs that come with scikit-learn: pieces of a temple, and in
half of them a small piece of a dahlia is pasted in. A network learns to tell whether there is a flower. If
its explanation is good, it points at the pasted square.

The network is small and is trained here in a few seconds. Training and test pieces come from different
halves of both photographs.
"""

import numpy as np
import torch
from sklearn.datasets import load_sample_image

import onlyif
from onlyif.plots import plot_image_sets


def quarter(name: str) -> np.ndarray:
    """A sample photograph at a quarter of its size, in [0, 1]."""
    pixels = load_sample_image(name)[:424] / 255
    return pixels.reshape(106, 4, 160, 4, 3).mean((1, 3))


temple, flower = quarter("china.jpg"), quarter("flower.jpg")


def pieces(count: int, left: bool, seed: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Pieces of 32 x 32 pixels of one half of the temple, whether a flower is in each, and where."""
    draw = np.random.default_rng(seed)
    there = draw.random(count) < 0.5
    images, squares = np.empty((count, 32, 32, 3)), np.zeros((count, 32, 32), dtype=bool)
    for i in range(count):
        row, column = draw.integers(0, 74), draw.integers(0, 58) if left else draw.integers(80, 128)
        images[i] = temple[row : row + 32, column : column + 32]
        if there[i]:
            up, across = draw.integers(0, 23, 2)
            top, side = draw.integers(32, 70), draw.integers(46, 64) if left else draw.integers(76, 96)
            images[i, up : up + 10, across : across + 10] = flower[top : top + 10, side : side + 10]
            squares[i, up : up + 10, across : across + 10] = True
    return torch.tensor(images, dtype=torch.float32).movedim(3, 1), torch.tensor(there).long(), squares


images, label, _ = pieces(800, left=True, seed=0)
others, answer, squares = pieces(200, left=False, seed=1)
torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 5, stride=2),
    torch.nn.ReLU(),
    torch.nn.Conv2d(8, 16, 3),
    torch.nn.ReLU(),
    torch.nn.AdaptiveMaxPool2d(1),
    torch.nn.Flatten(),
    torch.nn.Linear(16, 2),
)
optimiser = torch.optim.Adam(network.parameters(), 0.01)
for step in range(64):
    some = slice(step % 8 * 100, step % 8 * 100 + 100)
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(network(images[some]), label[some]).backward()
    optimiser.step()
accuracy = (network(others).argmax(1) == answer).float().mean()
print(f"{accuracy:.0%} of 200 pieces of the other halves are recognised")

# %%
# Which pixels are sufficient?
# ----------------------------
# One piece with a flower. Hidden pixels take the mean of the training pieces. The sets of 2, 5 and 10 % of
# the pixels are searched along the gradient of the network, in at most five regions.

with torch.no_grad():
    sure = network(others).softmax(1)[:, 1].numpy()
certain = np.flatnonzero((answer.numpy() == 1) & (sure > 0.95))
number = max(certain, key=lambda i: others[i].std())  # one with much else to see
piece, square = others[number], squares[number]
ask = {"size": [0.02, 0.05, 0.1], "budget": 1500, "progress": False}
found = onlyif.explain(network, piece[None], background=images, **ask)
names = ["no flower", "flower"]
plot_image_sets(piece, found, [0.02, 0.05, 0.1], title="A temple, and a flower", class_names=names)

# %%
# The square that was pasted in has 100 of the 1,024 pixels. How much of each set lies inside it?

scores = found[0].scores
for kind in ("sufficient", "necessary"):
    for size in (0.02, 0.05, 0.1):
        n_pixels = round(size * 1024)
        highest = np.argsort(-scores[kind].ravel())[:n_pixels]
        print(f"{kind}, {n_pixels} pixels: {square.ravel()[highest].mean():.0%} inside the square")

# %%
# With the network's eyes: only the smallest sufficient set, and everything but this set.

item = found[0]
mean = images.mean(0)
keep = torch.zeros(32 * 32, dtype=torch.bool)
keep[list(item.sufficient.players)] = True
keep = keep.reshape(32, 32)
shown = torch.stack([torch.where(keep, piece, mean), torch.where(keep, mean, piece)])
with torch.no_grad():
    answers = network(shown).softmax(1)[:, item.target].tolist()
print("smallest sufficient set:", item.sufficient, "keeping it:", round(answers[0], 2))

# %%
# Another way to hide
# -------------------
# What replaces a hidden pixel is part of the question. A blurred piece still shows the flower's colour, so
# with ``reference="blur"`` hiding takes less away:

blurred = onlyif.explain(network, piece[None], background=images, reference="blur", **ask)[0]
print(f"average prediction, mean image: {item.base:.2f}; blurred: {blurred.base:.2f}")
print("status with the blur:", blurred.status.kind.value)

# %%
# :doc:`/masks` explains the search and its settings, :doc:`/limits` what it cannot do.
