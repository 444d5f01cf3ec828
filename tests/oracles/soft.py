"""The relaxed objective written as plain loops over pixels and draws, and as one autograd graph."""

from itertools import product

import torch


def relaxed_draw(s, u, temperature):
    """Binary Gumbel-softmax of one number: the logistic of (logit s + logit u) / temperature."""
    s, u = torch.as_tensor(s), torch.as_tensor(u)
    return 1 / (1 + torch.exp(-(torch.log(s / (1 - s)) + torch.log(u / (1 - u))) / temperature))


def objective(f, x, mask, uniforms, baseline, *, alpha, lambdas, target, temperature, straight_through=True):
    """α|f(x) - f_S| + (1-α)|f_Sc - f_0| + λ_1 mean|S| + λ_TV TV for one image, draw by draw.

    Args:
        f: From one image to a vector of outputs.
        x: One image (channels, h, w).
        mask: S, (h, w).
        uniforms: One uniform number a draw and pixel, (K, h, w).
        baseline: What hidden pixels become, one image a draw.
        alpha: α.
        lambdas: λ_1 and λ_TV.
        target: The output explained.
        temperature: Of the relaxation.
        straight_through: Binary in the forward direction.
    """
    kept, hidden = [], []
    for u, b in zip(uniforms, baseline, strict=True):
        m = relaxed_draw(mask, u, temperature)
        if straight_through:
            m = (u >= 1 - mask).to(m) + (m - m.detach())
        kept.append(f(m * x + (1 - m) * b)[target])
        hidden.append(f((1 - m) * x + m * b)[target])
    full, base = f(x)[target], torch.stack([f(b)[target] for b in baseline]).mean()
    sufficiency = (full - torch.stack(kept).mean()).abs()
    necessity = (torch.stack(hidden).mean() - base).abs()
    return (
        alpha * sufficiency
        + (1 - alpha) * necessity
        + lambdas[0] * mask.abs().mean()
        + lambdas[1] * variation(mask)
    )


def variation(mask):
    """Absolute differences of neighbours, summed pixel by pixel, over the number of pixels."""
    height, width = mask.shape
    total = torch.zeros((), dtype=mask.dtype)
    for i in range(height):
        for j in range(width):
            if i + 1 < height:
                total = total + (mask[i + 1, j] - mask[i, j]).abs()
            if j + 1 < width:
                total = total + (mask[i, j + 1] - mask[i, j]).abs()
    return total / (height * width)


def linear_answers(weights, x, baseline, mask):
    """For f(x) = Σ w x: f_S = Σ w (S x + (1 - S) b), exactly, and its complement."""
    soft = (weights * (mask * x + (1 - mask) * baseline)).sum()
    return soft.item(), (weights * ((1 - mask) * x + mask * baseline)).sum().item()


def expected_answer(f, x, mask, rows, *, hidden, units):
    """E f(m∘x + (1 - m)∘b) over every binary mask of some units and every row b, pixel by pixel.

    Args:
        f: From one image to a number.
        x: One image (channels, h, w).
        mask: S, constant over each unit, (h, w).
        rows: The equally likely images b.
        hidden: Whether S is hidden and the rest shown.
        units: The unit of each pixel, (h, w).
    """
    total = 0.0
    for bits in product((0, 1), repeat=int(units.max()) + 1):
        chance = 1.0
        for unit, bit in enumerate(bits):
            s = mask[units == unit][0].item()
            chance *= s if bit else 1 - s
        for row in rows:
            image = row.clone()
            for i in range(units.shape[0]):
                for j in range(units.shape[1]):
                    if bits[units[i, j]] != hidden:
                        image[:, i, j] = x[:, i, j]
            total += chance * f(image).item() / len(rows)
    return total
