"""Head CT slices with synthesised bleeds, whose place, shape and density are known.

Simulated slices have a skull, a brain with folds, ventricles, calcium specks and a head rest; every
part is drawn anew for each slice. The four real slices serve as backgrounds too: the bleeds inside
their boxes are painted over, and each use turns, mirrors and shifts them. Bleeds are blobs of 50 to
76 Hounsfield units, one to several a slice, apart from each other and inside the skull.

    from lesions import real_heads, simulated_heads, with_lesions

    heads = simulated_heads(100, seed=0)
    slices = with_lesions(heads, counts, seed=0)     # slices.x, slices.layers: one layer a lesion

Everything is in the brain window, 0 to 80 Hounsfield units scaled to [0, 1], and follows from the seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, radians, sin

import torch
from images import Slices
from jaxtyping import Bool, Float, Int64
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from onlyif.core.errors import SettingError
from onlyif.core.torch_seeds import torch_generator

SIDE = 64
MOST = 4
RADII, DENSITIES = (1.8, 4.5), (0.62, 0.95)
# Pixels between two lesions, at least.
APART = 3.0
# A lesion's pixels are those that it covers by half or more.
HALF = 0.5


@dataclass(frozen=True, eq=False)
class Heads:
    """Slices without a lesion.

    Args:
        x: Pixels in [0, 1].
        depth: How far inside the skull each pixel lies, in pixels; negative outside.
    """

    x: Float[Tensor, "b 1 side side"]
    depth: Float[Tensor, "b side side"]


@dataclass(frozen=True, eq=False)
class Lesioned:
    """Slices with the truth about their lesions.

    Args:
        clean: The slices without lesions.
        layers: How much of each pixel each lesion covers, in [0, 1]; 0 for lesions there are not.
        density: The brightness of each lesion.
        counts: Lesions of each slice; they are the first layers.
    """

    clean: Float[Tensor, "b 1 side side"]
    layers: Float[Tensor, "b most side side"]
    density: Float[Tensor, "b most"]
    counts: Int64[Tensor, " b"]

    @property
    def x(self) -> Float[Tensor, "b 1 side side"]:
        """The slices with all their lesions."""
        return self.showing(torch.ones_like(self.density, dtype=torch.bool))

    @property
    def pixels(self) -> Bool[Tensor, "b most side side"]:
        """The pixels of each lesion."""
        return self.layers >= HALF

    def showing(self, shown: Bool[Tensor, "b most"]) -> Float[Tensor, "b 1 side side"]:
        """The slices with some of their lesions only.

        Args:
            shown: Which lesions are there.
        """
        x = self.clean[:, 0]
        for layer, density, there in zip(self.layers.unbind(1), self.density.T, shown.T, strict=True):
            x = x.lerp(density.view(-1, 1, 1).expand_as(x), layer * there.view(-1, 1, 1))
        return x.unsqueeze(1)

    def take(self, rows: Int64[Tensor, " m"]) -> "Lesioned":
        """Some of the slices."""
        return Lesioned(self.clean[rows], self.layers[rows], self.density[rows], self.counts[rows])


Shape = Callable[[float, float, tuple[float, float], float], Tensor]


def simulated_heads(n: int, seed: int, *, first: int = 0) -> Heads:
    """Slices drawn from nothing; slice i depends on the seed and its number alone.

    Args:
        n: How many.
        seed: Seed of all their parts.
        first: Number of the first one.
    """
    drawn = [_simulated(torch_generator(seed, "simulated head", first + i)) for i in range(n)]
    return Heads(torch.stack([x for x, _ in drawn]).unsqueeze(1), torch.stack([depth for _, depth in drawn]))


def real_heads(slices: Slices, n: int, seed: int) -> Heads:
    """The real slices without their bleeds, in turn, each mirrored or not, turned, shifted and shaded.

    Args:
        slices: The real slices, `SIDE` pixels a side.
        n: How many.
        seed: Seed of the variations.
    """
    inside = torch.stack([_interior(x) for x in slices.x[:, 0]])
    healed = torch.stack([_healed(slices, i, inside[i]) for i in range(len(slices.x))])
    both = torch.stack([healed, inside.float()], 1)
    moved = torch.stack(
        [_moved(both[i % len(both)], torch_generator(seed, "real head", i)) for i in range(n)]
    )
    depth = torch.stack([_depth(one > HALF) for one in moved[:, 1]])
    return Heads(moved[:, :1].clamp(0, 1), depth)


def partly_mean(heads: Heads, seed: int) -> Heads:
    """The same slices, of every second pair a random part replaced by the mean of all.

    Args:
        heads: The slices.
        seed: Seed of the parts.
    """
    mean, x = heads.x.mean(0), heads.x.clone()
    for i in range(len(x)):
        random = torch_generator(seed, "part hidden", i)
        field = _smooth(random, (3, 6, 12, 32)[int(torch.randint(4, (1,), generator=random))])
        # Now and then all of it is hidden.
        share = min(1.0, _uniform(random, 0.2, 1.2))
        hidden = field <= field.quantile(share)
        x[i] = torch.where(hidden, mean, x[i]) if i // 2 % 2 else x[i]
    return Heads(x, heads.depth)


def with_lesions(heads: Heads, counts: Int64[Tensor, " b"], seed: int) -> Lesioned:
    """Lesions of random shape, density and place in given slices.

    Args:
        heads: The slices.
        counts: Lesions of each, 0 to 4.
        seed: Seed of the lesions.

    Raises:
        SettingError: if more lesions are asked for than there may be.
    """
    if int(counts.max()) > MOST or int(counts.min()) < 0:
        raise SettingError(f"need 0 to {MOST} lesions a slice, got {counts.min()} to {counts.max()}")
    layers, density = torch.zeros(len(counts), MOST, SIDE, SIDE), torch.zeros(len(counts), MOST)
    for i, count in enumerate(counts.tolist()):
        random = torch_generator(seed, "lesions", i)
        taken = torch.full((SIDE, SIDE), torch.inf)
        for j in range(count):
            layers[i, j], taken = _lesion(heads.depth[i], taken, random)
            density[i, j] = _uniform(random, *DENSITIES)
    return Lesioned(heads.x, layers, density, counts)


def _lesion(depth: Tensor, distance: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """One lesion's layer, and the distance of every pixel to the nearest lesion so far."""
    radius, room = _uniform(random, *RADII), torch.zeros(0, 2)
    while not len(room):
        room = ((depth > 0.7 * radius) & (distance > radius + APART)).nonzero()
        radius *= 1.0 if len(room) else 0.9
        if radius < 1.0:
            raise SettingError("there is no room for one more lesion; need fewer or smaller ones")
    down, across = room[int(torch.randint(len(room), (1,), generator=random))].tolist()
    stretch = _uniform(random, 0.75, 1.35)
    axes = (radius * stretch, radius / stretch)
    level = _blob(random, 0.1)(float(across), float(down), axes, _uniform(random, 0.0, 180.0))
    mottled = 1 - 0.12 * _smooth(random, 16).abs().clamp(max=2.0)
    # Nothing bleeds through bone.
    layer = _cover(level) * mottled * _cover(depth)
    outside = torch.from_numpy(ndimage.distance_transform_edt((layer < HALF).numpy())).float()
    return layer, torch.minimum(distance, outside)


def _simulated(random: torch.Generator) -> tuple[Tensor, Tensor]:
    centre = 32 + _uniform(random, -2, 2), 31 + _uniform(random, -3, 3)
    axes = _uniform(random, 18, 22.5), _uniform(random, 22, 27.5)
    turn = _uniform(random, -10, 10)
    bone = _blob(random, 0.02)(*centre, axes, turn)
    depth = bone - _uniform(random, 1.8, 3.6)
    down, across = _coordinates()
    angle = radians(turn)
    aside = (across - centre[0]) * cos(angle) + (down - centre[1]) * sin(angle)
    along = (down - centre[1]) * cos(angle) - (across - centre[0]) * sin(angle)
    x = _head_rest(random, torch.zeros(SIDE, SIDE), centre, axes)
    x = _paint(x, _cover(bone + _uniform(random, 0.5, 2.0)), _uniform(random, 0.1, 0.35))
    x = _paint(x, _cover(bone), 1.0)
    x = _paint(x, _cover(depth), _brain(random, depth, aside, along))
    x, depth = _skull_base(random, x, depth, along)
    x = _specks(random, x, centre, turn)
    return (x + _uniform(random, 0.01, 0.03) * torch.randn(SIDE, SIDE, generator=random)).clamp(0, 1), depth


def _brain(random: torch.Generator, depth: Tensor, aside: Tensor, along: Tensor) -> Tensor:
    """Grey and white matter, folds, the falx and ventricles."""
    grey = _uniform(random, 0.38, 0.5)
    x = grey + 0.03 * _smooth(random, 8) + 0.02 * _smooth(random, 24)
    x = x - _uniform(random, 0.03, 0.09) * torch.sigmoid(depth - 5 + 2 * _smooth(random, 12))
    folds = torch.sigmoid(4 * (_smooth(random, 20) - _uniform(random, 0.7, 1.6)))
    x = _paint(x, folds * (depth < _uniform(random, 2, 7)), _uniform(random, 0.1, 0.25))
    if _uniform(random, 0, 1) < 0.6:
        x = _paint(x, _cover(0.4 - aside.abs()) * (along.abs() > 9), _uniform(random, 0.45, 0.6))
    if _uniform(random, 0, 1) < 0.8:
        water, length, width = (_uniform(random, *r) for r in ((0.08, 0.2), (3.0, 7.5), (0.9, 2.6)))
        middle, gap, lean = (_uniform(random, *r) for r in ((-5, 4), (1.5, 4.5), (-0.3, 0.3)))
        offset = aside.abs() - gap - lean * (along - middle)
        horn = 1 - ((offset / width).square() + ((along - middle) / length).square()).sqrt()
        x = _paint(x, _cover(width * horn), water)
    return x


def _skull_base(random: torch.Generator, x: Tensor, depth: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
    """In some slices: bone and air at the front, as lower ones have; no brain is there."""
    if _uniform(random, 0, 1) < 0.65:
        return x, depth
    front = (depth > -4) & (along < -_uniform(random, 12, 17))
    bone = torch.sigmoid(4 * (_smooth(random, 14) - _uniform(random, -0.3, 0.6)))
    air = torch.sigmoid(4 * (_smooth(random, 14) - _uniform(random, 0.5, 1.2)))
    x = _paint(_paint(x, bone * front, 1.0), air * front, 0.0)
    return x, torch.where(front, -1.0, depth)


def _specks(random: torch.Generator, x: Tensor, centre: tuple[float, float], turn: float) -> Tensor:
    """Calcium in the pineal gland and the choroid plexus: bright, but small."""
    for aside in (0.0, -5.0, 5.0):
        across, down = aside + _uniform(random, -1.5, 1.5), _uniform(random, 2, 9)
        radius, value = _uniform(random, 0.5, 1.1), _uniform(random, 0.7, 1.0)
        there = _uniform(random, 0, 1) < 0.3
        place = centre[0] + across - down * sin(radians(turn)), centre[1] + down
        cover = _cover(_blob(random, 0.0)(*place, (radius, radius), 0.0))
        x = _paint(x, cover * there, value)
    return x


def _head_rest(
    random: torch.Generator, x: Tensor, centre: tuple[float, float], axes: tuple[float, float]
) -> Tensor:
    if _uniform(random, 0, 1) < 0.3:
        return x
    down, across = _coordinates()
    middle = centre[1] + _uniform(random, -6, 3)
    radius = centre[1] + axes[1] + _uniform(random, 2.5, 5) - middle
    ring = torch.hypot(across - 32, down - middle) - radius
    low = down > middle + _uniform(random, 0, 0.6) * radius
    return _paint(x, _cover(_uniform(random, 0.1, 0.6) - ring.abs()) * low, _uniform(random, 0.4, 1.0))


def _blob(random: torch.Generator, wobble: float) -> Shape:
    """An ellipse with a wobbling outline."""
    size = wobble * torch.randn(4, generator=random)
    phase = 2 * pi * torch.rand(4, generator=random)

    def level(across: float, down: float, axes: tuple[float, float], turn: float) -> Tensor:
        y, x = _coordinates()
        angle = radians(turn)
        u = ((x - across) * cos(angle) + (y - down) * sin(angle)) / axes[0]
        v = ((y - down) * cos(angle) - (x - across) * sin(angle)) / axes[1]
        waves = torch.arange(2, 6).view(-1, 1, 1) * torch.atan2(v, u) + phase.view(-1, 1, 1)
        outline = 1 + (size.view(-1, 1, 1) * torch.cos(waves)).sum(0)
        return (outline.clamp(min=0.4) - torch.hypot(u, v)) * (axes[0] * axes[1]) ** 0.5

    return level


def _interior(x: Tensor) -> Tensor:
    """What the skull encloses: the largest piece."""
    skull = ndimage.binary_closing((x > 0.7).numpy(), iterations=1)
    pieces, n = ndimage.label(ndimage.binary_fill_holes(skull) & ~skull)
    sizes = ndimage.sum_labels(pieces > 0, pieces, range(1, n + 1))
    return torch.from_numpy(ndimage.binary_fill_holes(pieces == 1 + int(sizes.argmax())))


def _healed(slices: Slices, number: int, inside: Tensor) -> Tensor:
    """A real slice whose bright pixels inside its boxes have become tissue."""
    x, boxed = slices.x[number, 0], torch.zeros(SIDE, SIDE, dtype=torch.bool)
    for left, top, width, height in slices.boxes[slices.box_slice == number].tolist():
        rows = slice(int(top) - 1, int(top + height) + 2)
        boxed[rows, int(left) - 1 : int(left + width) + 2] = True
    tissue = x[inside & ~boxed & (x > 0.25) & (x < 0.6)]
    grain = tissue.std() * torch.randn(SIDE, SIDE, generator=torch_generator(0, "healed tissue", number))
    deep = _depth(inside) > 1
    bright = boxed & deep & (x > tissue.quantile(0.75))
    return torch.where(bright, tissue.median() + 0.5 * grain, x)


def _moved(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Pictures turned by up to 8 degrees, shifted by up to 2 pixels, mirrored or not; the first shaded."""
    angle, mirror = radians(_uniform(random, -8, 8)), 1.0 if _uniform(random, 0, 1) < HALF else -1.0
    shift = [_uniform(random, -2, 2) * 2 / SIDE for _ in range(2)]
    to = torch.tensor(
        [[mirror * cos(angle), -mirror * sin(angle), shift[0]], [sin(angle), cos(angle), shift[1]]]
    )
    where = functional.affine_grid(to.unsqueeze(0), [1, 2, SIDE, SIDE], align_corners=False)
    moved = functional.grid_sample(pictures.unsqueeze(0), where, align_corners=False)[0]
    shade = 1 + _uniform(random, -0.08, 0.08)
    grain = 0.015 * torch.randn(SIDE, SIDE, generator=random)
    return torch.stack([moved[0] * shade + grain, moved[1]])


def _depth(inside: Tensor) -> Tensor:
    """The distance to the border, negative outside."""
    distance: Callable[..., Tensor] = ndimage.distance_transform_edt
    return torch.from_numpy(distance(inside.numpy()) - distance(~inside.numpy())).float()


def _smooth(random: torch.Generator, cells: int) -> Tensor:
    """Smooth noise of mean 0 and deviation 1, so many cells a side."""
    coarse = torch.randn(1, 1, cells, cells, generator=random)
    fine = functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic", align_corners=False)[0, 0]
    return (fine - fine.mean()) / fine.std()


def _paint(x: Tensor, cover: Tensor, value: Tensor | float) -> Tensor:
    return x * (1 - cover) + cover * value


def _cover(level: Tensor) -> Tensor:
    """How much of a pixel lies inside a shape."""
    return (level + HALF).clamp(0, 1)


def _coordinates() -> tuple[Tensor, Tensor]:
    along = torch.arange(SIDE, dtype=torch.float32)
    return along.view(-1, 1), along.view(1, -1)


def _uniform(random: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=random).item()
