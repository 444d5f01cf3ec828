"""h-Shap by recursion, with Shapley values as means over all orders of the quadrants."""

from itertools import permutations


def scores(output, image, baseline, min_size, threshold=0.0):
    """`image` and `baseline` are (channels, h, w) numpy arrays, `output` a function of one."""
    found = 0 * image[0]

    def worth(parts):
        shown = baseline.copy()
        for top, bottom, left, right in parts:
            shown[:, top:bottom, left:right] = image[:, top:bottom, left:right]
        return output(shown)

    def visit(top, bottom, left, right, score):
        if min(bottom - top, right - left) < 2 * min_size:
            found[top:bottom, left:right] = score
            return
        middle, centre = (top + bottom) // 2, (left + right) // 2
        parts = [
            (a, b, c, d)
            for a, b in ((top, middle), (middle, bottom))
            for c, d in ((left, centre), (centre, right))
        ]
        for part in parts:
            gains = []
            for order in permutations(parts):
                before = list(order[: order.index(part)])
                gains.append(worth([*before, part]) - worth(before))
            value = sum(gains) / len(gains)
            if value > threshold:
                visit(*part, score * value)

    visit(0, image.shape[1], 0, image.shape[2], 1.0)
    return found
