"""From the user's instances of another kind than rows of a table to pieces that are explained like tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, final

import numpy as np
from array_api_compat import is_array_api_obj, is_torch_array
from jaxtyping import Float

from onlyif.core.arrays import Array, doubled, like, namespace
from onlyif.core.errors import InputError, SettingError
from onlyif.core.nouns import counted
from onlyif.core.seeds import generator
from onlyif.modalities.base import ALL_HIDDEN, Modality, instances_of
from onlyif.modalities.graphs import EdgeModality, Graphs
from onlyif.modalities.images import ImageModality, Images, checked_images
from onlyif.modalities.rendered import RenderedRows, in_groups
from onlyif.references.base import Plan, Reference
from onlyif.references.baseline import BaselineReference
from onlyif.references.filling import FillingReference
from onlyif.references.marginal import fit_marginal
from onlyif.setup.foundation import Source
from onlyif.setup.graphs import MOST_PLAYERS, graph_instances, rows_a_call
from onlyif.setup.options import Options, Target, criterion_of
from onlyif.setup.tables import N_MASKED, masked_sample

# The spread of a blur as a share of the smaller side, and how many images of noise hide pixels.
# Gaps are means over all images of noise; causes look at some of them at a time.
BLUR_SHARE, N_NOISE, N_NOISE_OF_CAUSES = 1 / 8, 8, 64


def pieces_of(data: Any, source: Source) -> list[tuple[RenderedRows, Options]]:
    """The instances in pieces whose players have the same names, with the options for each.

    Args:
        data: The instances.
        source: The model, the background, where the modality takes one, and what is asked, with a modality.

    Raises:
        InputError: if an instance is none of the modality's kind, or has no players.
        SettingError: if an option has no use with the modality.
    """
    options = source.options
    modality, instances = _modality(data, source)
    causes = criterion_of(options.criterion)
    # Nodes whose messages are masked are searched along a gradient, each by a search of its own.
    alone = causes is not None or (isinstance(modality, EdgeModality) and modality.masked is not None)
    groups = in_groups(modality, instances, alone=alone)
    targets = _targets(options.target, [len(group) for group in groups])
    pieces = [
        (group, replace(_affordable(group, options), target=target))
        for group, target in zip(groups, targets, strict=True)
    ]
    if causes is None:
        filling = FillingReference(modality.n_draws, modality.hides)
        return [(group, replace(chosen, reference=filling)) for group, chosen in pieces]
    if causes.baseline is not None:
        raise SettingError("PNS(baseline=...) has no use with a modality, which says itself what hides")
    if causes.sample != "background":
        raise SettingError("PNS(sample=...) has no use with a modality: E is made of masked copies")
    own = replace(causes, baseline=ALL_HIDDEN)
    return [
        (group, replace(chosen, reference=None, criterion=replace(own, sample=masked_sample(group))))
        for group, chosen in pieces
    ]


def _targets(target: Target, sizes: Sequence[int]) -> list[Target]:
    """The target of each piece: where one an instance was given, those of its own instances."""
    several = isinstance(target, list) or (is_array_api_obj(target) and target.ndim == 1)
    if not several or len(sizes) == 1:
        return [target] * len(sizes)
    if len(target) != sum(sizes):
        raise SettingError(
            f"need one target, or one an instance: {sum(sizes)} instances, got {len(target)} targets"
        )
    ends = np.cumsum(sizes).tolist()
    return [target[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _affordable(group: RenderedRows, options: Options) -> Options:
    """The options with calls and searches as large as instances of this size allow for."""
    if not isinstance(group.modality, EdgeModality):
        return options
    few = min(
        options.budget, 2**MOST_PLAYERS * (1 if criterion_of(options.criterion) is None else N_MASKED + 1)
    )
    return replace(
        options,
        max_rows=rows_a_call(group.modality, [ego.size for ego in group.instances], options.max_rows),
        budget=few if options.search is None else options.budget,
    )


def _modality(data: Any, source: Source) -> tuple[Modality, Any]:
    options, background = source.options, source.background
    if options.stability is not None:
        raise SettingError("stability resamples background rows, and has no use with a modality")
    if options.groups is not None and not isinstance(options.modality, Graphs):
        raise SettingError("groups are of columns or edges, and have no use with this modality")
    match options.modality:
        case Images():
            images = _images(data, background, options)
            return images, range(len(images.images))
        case Graphs():
            return graph_instances(data, source)
        case Modality() as modality:
            for name, given in {"background": background, "reference": options.reference}.items():
                if given is not None:
                    raise SettingError(
                        f"{name} has no use with {type(modality).__name__}, which says itself what hides: "
                        f"{modality.hides}"
                    )
            return modality, instances_of(data)
        case _:
            raise SettingError(f"need a Modality, Images or Graphs, got {type(options.modality).__name__}")


def _images(data: Any, background: Any, options: Options) -> ImageModality:
    setting = options.modality
    assert isinstance(setting, Images)
    filled = filled_images(data, background, options)
    return setting.of(filled.images, filled.fillings, filled.sentence)


@final
@dataclass(frozen=True, eq=False)
class FilledImages:
    """Images and what hides their pixels.

    Args:
        images: The images.
        fillings: n images for each, or shared by all, that hidden pixels are taken from.
        sentence: What becomes of hidden pixels.
    """

    images: Float[Array, "b *x"]
    fillings: Float[Array, "#b n *x"]
    sentence: str


def filled_images(data: Any, background: Any, options: Options) -> FilledImages:
    """Images and all that hides their pixels, by the reference of the options.

    Args:
        data: The images.
        background: Other images, whose mean or pixels hide; None with a finished reference.
        options: All that can be chosen.

    Raises:
        InputError: if images or background cannot be used as they are.
        SettingError: if the reference has no finite number of draws, or draws by what is kept.
    """
    images = checked_images(data, "images")
    if options.reference == "noise":
        n_noise = N_NOISE if criterion_of(options.criterion) is None else N_NOISE_OF_CAUSES
        return _in_noise(images, _others(images, background), n_noise, options.seed)
    reference = _reference(images, background, options)
    law = reference.law
    if law.n_atoms is None:
        raise SettingError(
            "images need a reference with finitely many draws, such as a baseline, a blur or background "
            f"images; got {type(reference).__name__}"
        )
    nothing = np.zeros((1, 1, *images.shape[1:]), dtype=bool)
    plan = Plan(law.n_atoms, 0, law.n_atoms, None)
    values = reference.draw(images, nothing, plan).values[:, 0]
    _check_same_whatever_is_kept(reference, images[:1], plan)
    return FilledImages(images, values, law.sentence.replace("Hidden features", "Hidden pixels"))


def _reference(images: Float[Array, "b *x"], background: Any, options: Options) -> Reference:
    if isinstance(options.reference, Reference):
        return options.reference
    match options.reference:
        case "blur":
            if not is_torch_array(images):
                raise InputError(
                    f'reference="blur" needs images as torch tensors, got a {type(images).__name__}'
                )
            # torch is imported for it alone.
            blur: Reference = import_module("onlyif.references.blur").BlurReference(
                min(images.shape[-2:]) * BLUR_SHARE
            )
            return blur
        case "marginal":
            return fit_marginal(_others(images, background), seed=options.seed)
        case None | "baseline":
            others = _others(images, background)
            mean = namespace(others).mean(others, axis=0)
            one = len(others) == 1
            return BaselineReference(
                mean, "the background image" if one else f"the mean of {len(others)} background images"
            )
        case other:
            raise SettingError(
                'the reference of images must be "baseline" (the mean image), "marginal" (background '
                f'images), "blur" (the image itself, blurred), "noise" or a Reference, got {other!r}'
            )


def _others(images: Float[Array, "b *x"], background: Any) -> Float[Array, "n *x"]:
    if background is None:
        raise SettingError(
            "need a background: images like those the network was trained on, whose mean or whose pixels "
            'replace what is hidden; or reference="blur", or an object such as a BaselineReference'
        )
    others = checked_images(background, "background")
    if others.shape[1:] != images.shape[1:]:
        raise InputError(
            f"the background's images have shape {tuple(others.shape[1:])}, the images to explain "
            f"{tuple(images.shape[1:])}; need the same"
        )
    return others


def _in_noise(
    images: Float[Array, "b *x"], others: Float[Array, "n *x"], n_noise: int, seed: int
) -> FilledImages:
    """Images hidden in noise that has the mean and the spread of each channel of the background."""
    axes = (0, others.ndim - 2, others.ndim - 1)
    plain = doubled(others)
    mean, spread = (of(plain, axis=axes, keepdims=True) for of in (np.mean, np.std))
    noise = generator(seed, "noise images").normal(size=(1, n_noise, *images.shape[1:]))
    sentence = (
        f"Hidden pixels are Gaussian noise, {n_noise} draws of it, with the mean and the spread of "
        f"{counted(len(others), 'background image')}, channel by channel."
    )
    return FilledImages(images, like(mean + spread * noise, images), sentence)


def _check_same_whatever_is_kept(reference: Reference, image: Float[Array, "one *x"], plan: Plan) -> None:
    """Refuse a reference whose draws depend on what is kept: they are made once for all subsets here."""
    random = generator(0, "what is kept").random((1, 3, *image.shape[1:])) < 0.5
    # Both are drawn for the one image: of another batch the same numbers may be rounded otherwise.
    others, values = (
        doubled(reference.draw(image, keep, plan).values) for keep in (random, np.zeros_like(random))
    )
    if bool((~random[:, :, None] & (others != values)).any()):
        raise SettingError(
            f"{type(reference).__name__} draws by what is kept, pixel by pixel, which regions do not use; "
            "take a baseline, a blur or background images"
        )
