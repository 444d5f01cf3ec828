"""PNS of relaxed subsets s in [0, 1]^d, with gradients: what ascent makes large (Sec. 4.7).

    g(x, s, x') = x∘(1 - s∘m) + x'∘s∘m,    near on s = near(‖x∘s - x^t∘s‖),

and a smooth stand-in for the indicators of the interventional stage.
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.causation.abduction import NECESSARY_FACT, SUFFICIENT_FACT, Abduction, Weight
from onlyif.causation.change import Change
from onlyif.causation.neighbourhood import Neighbourhood
from onlyif.causation.reading import events
from onlyif.causation.surrogate import Surrogate
from onlyif.core.arrays import Array, doubled, like, on_host
from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.core.precision import doubled_tensor
from onlyif.core.shapes import Instances
from onlyif.core.torch_seeds import torch_generator
from onlyif.criteria.soft_causation_draws import StepDraws, drawn_again, spread
from onlyif.engine.engine import outputs_of
from onlyif.engine.soft import soft_outputs
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.samples.base import Sample


@final
@dataclass(frozen=True, eq=False)
class PosedPNS:
    """Some instances with all that does not change during an ascent.

    Args:
        rows: E of each instance.
        base: f of these.
        ends: x' of each instance.
        squares: Squared distances from x^t, player by player.
        change: How a change of each instance's prediction is read.
        model_rows: Rows that the model was asked for, all told.
    """

    rows: Float[Tensor, "b n *x"]
    base: Float[Tensor, "b n k"]
    ends: Float[Tensor, "b *x"]
    squares: Float[Tensor, "b n d"]
    change: Change
    model_rows: int

    def take(self, numbers: Int64[Tensor, "p"]) -> "PosedPNS":
        """The same for some of the instances."""
        rows, base, ends, squares = (
            each[numbers.to(each.device)] for each in (self.rows, self.base, self.ends, self.squares)
        )
        return PosedPNS(rows, base, ends, squares, self.change.take(on_host(numbers)), self.model_rows)

    def towards(self, baseline: Float[Array, "#b *x"]) -> "PosedPNS":
        """The same with another x'.

        Args:
            baseline: x', of each instance or one for all.
        """
        return replace(self, ends=like(baseline, self.ends).expand(self.ends.shape))

    def at(self, inputs: Int64[Tensor, "i"]) -> "PosedPNS":
        """The same with some of the inputs of E."""
        if len(inputs) == self.rows.shape[1]:
            return self
        return replace(
            self, rows=self.rows[:, inputs], base=self.base[:, inputs], squares=self.squares[:, inputs]
        )


@final
@dataclass(frozen=True, eq=False)
class SoftPNS:
    """The relaxed PN·P(A, B) and PS·P(Ā, B̄) of masks s.

    Args:
        predictor: The model f, opened for many calls.
        players: How players tile an instance.
        sample: E.
        baseline: x', of each instance or one for all.
        neighbourhood: b and c, and how distances are taken.
        surrogate: What stands for the indicators of the interventional stage.
        abduction: How the factual event is conditioned on.
        draws: How many random choices of players there are, and how they are made.
        max_rows: Most rows of one model call; more of them are split and their graphs made twice.
        seed: Seed of whatever is drawn.

    References:
        [chen2024] section 4.7.
    """

    predictor: DifferentiablePredictor
    players: Players
    sample: Sample
    baseline: Float[Array, "#b *x"]
    neighbourhood: Neighbourhood
    surrogate: Surrogate
    abduction: Abduction
    draws: StepDraws
    max_rows: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_rows < 1:
            raise SettingError(f"max_rows must be at least 1, got {self.max_rows}")

    def pose(self, x: Instances, change: Change) -> PosedPNS:
        """The instances with their samples, predictions and distances.

        Args:
            x: The instances, in the dtype of all that is computed from them.
            change: How a change of each instance's prediction is read.
        """
        found = self.sample.rows(x, self.seed)
        shared = found.shared.unsqueeze(0).expand(len(x), *found.shared.shape)
        rows = torch.cat([found.own, shared], dim=1)
        asked = outputs_of(self.predictor, rows.flatten(0, 1), self.max_rows)
        pairs = zip(doubled(rows), doubled(x), strict=True)
        squares = np.stack([self.neighbourhood.squares(*each, self.players) for each in pairs])
        ends = like(self.baseline, x).expand(len(x), *x.shape[1:])
        base = like(asked.reshape(*rows.shape[:2], -1), x)
        # Single precision does not hold the farthest there is.
        near = like(np.minimum(squares, torch.finfo(x.dtype).max ** 0.5), x)
        return PosedPNS(rows, base, ends, near, change, len(asked))

    def within(self, max_rows: int) -> "SoftPNS":
        """The same with so many rows in a model call.

        Args:
            max_rows: Most rows.
        """
        return replace(self, max_rows=max_rows)

    def rows_a_mask(self, n: int) -> int:
        """Rows that one evaluation of one mask asks the model for.

        Args:
            n: Size of E.
        """
        return self.draws.rows_a_mask(n, self.abduction.n_resampled)

    def spread(self, posed: PosedPNS, masks: Float[Tensor, "b z d"]) -> Float[Tensor, "b"]:
        """The largest change of each instance's prediction that some masks make."""
        posed = posed.at(self.draws.inputs(posed.rows.shape[1], self.seed, 0))
        drawn = self.draws.intervened(posed.rows.shape[1], self.players.count, self.seed, 0)
        both = torch.stack([masks, 1.0 - masks], dim=1)
        with torch.no_grad():
            change = self._changes(posed, posed.rows.unsqueeze(1), posed.base.unsqueeze(1), both, drawn)
        return change.flatten(1).amax(1)

    def parts(
        self,
        posed: PosedPNS,
        masks: Float[Tensor, "b z d"],
        step: int,
        easing: Float[Tensor, "b"] | None = None,
        asked: Float[Tensor, "b z d"] | None = None,
    ) -> Float[Tensor, "b z two"]:
        """PN·P(A, B) and PS·P(Ā, B̄) of each mask, with their graph.

        Args:
            posed: The instances.
            masks: Relaxed subsets.
            step: Which random choices are made; those of one step are shared by all masks and instances.
            easing: By what c is multiplied for each instance, where nothing is resampled.
            asked: The masks once more, by which inputs are perturbed: what the model's slope comes to is
                its gradient. None takes the masks.
        """
        if self.abduction.n_resampled is None:
            posed = posed.at(self.draws.inputs(posed.rows.shape[1], self.seed, step))
        hit = masks if asked is None else asked
        near, near_rest = self._log_near(posed, torch.cat([masks, 1.0 - masks], dim=1)).chunk(2, dim=1)
        if self.abduction.n_resampled is None:
            return self._weighted(posed, hit, near.exp(), near_rest.exp(), (step, easing))
        return self._resampled(posed, hit, near, near_rest, step)

    def _log_near(self, posed: PosedPNS, share: Float[Tensor, "b y d"]) -> Float[Tensor, "b y n"]:
        near: Tensor = self.neighbourhood.log_near(posed.squares, share.square(), self.players)
        return near

    def _weighted(
        self,
        posed: PosedPNS,
        masks: Float[Tensor, "b z d"],
        near: Tensor,
        near_rest: Tensor,
        when: tuple[int, Tensor | None],
    ) -> Float[Tensor, "b z two"]:
        step, easing = when
        rows, base = posed.rows.unsqueeze(1), posed.base.unsqueeze(1)
        drawn = self.draws.intervened(rows.shape[2], self.players.count, self.seed, step)
        change = self._changes(posed, rows, base, torch.stack([masks, 1.0 - masks], dim=1), drawn)
        if easing is not None:
            change = change / easing.view(-1, 1, 1, 1, 1)
        soft = self.neighbourhood.events.changed(change).mean(4)
        hard = self.surrogate.changed(change, self.neighbourhood.events).mean(4)
        # The events that are only near share the scale of the others here.
        factors = events(soft[:, 0], hard[:, 0], soft[:, 1], hard[:, 1]) | {
            Weight.ONE: 1.0,
            Weight.NEAR_ON_S: near,
            Weight.NEAR_ON_REST: near_rest,
            Weight.ONLY_NEAR_ON_S: near,
            Weight.ONLY_NEAR_ON_REST: near_rest,
        }
        means = {term: term.product(factors).mean(2) for term in self.abduction.terms}
        necessity = self.abduction.pn.of(means) * means[NECESSARY_FACT]
        sufficiency = self.abduction.ps.of(means) * means[SUFFICIENT_FACT]
        return torch.stack([necessity, sufficiency], dim=2)

    def _resampled(
        self, posed: PosedPNS, masks: Float[Tensor, "b z d"], near: Tensor, near_rest: Tensor, step: int
    ) -> Float[Tensor, "b z two"]:
        rows, base, events = posed.rows.unsqueeze(1), posed.base.unsqueeze(1), self.neighbourhood.events
        drawn = self.draws.factual(rows.shape[2], self.players.count, self.seed, step)
        both = torch.stack([masks, 1.0 - masks], dim=1)
        soft = events.changed(self._changes(posed, rows, base, both, drawn)).mean(4)
        facts = soft[:, 0], 1.0 - soft[:, 1]
        # Far from x^t the weights themselves are less than numbers hold.
        logs = [
            doubled_tensor(one) + doubled_tensor(fact).log()
            for one, fact in zip((near, near_rest), facts, strict=True)
        ]
        weights = near.exp() * facts[0], near_rest.exp() * facts[1]
        size = self.abduction.n_resampled or 1
        drawn = self.draws.intervened(size, self.players.count, self.seed, step)
        conditional = []
        for number, log in enumerate(logs):
            chosen = drawn_again(log, size, torch_generator(self.seed, f"drawn again {number}", step))
            # PN perturbs what is outside s, PS perturbs s.
            share = both[:, 1 - number].unsqueeze(1)
            change = self._changes(
                posed, _taken(posed.rows, chosen), _taken(posed.base, chosen), share, drawn
            )
            hard = self.surrogate.changed(change, events).mean((3, 4))[:, 0]
            conditional.append(1.0 - hard if number == 0 else hard)
        return torch.stack(
            [one * weight.mean(2) for one, weight in zip(conditional, weights, strict=True)], dim=2
        )

    def _changes(
        self,
        posed: PosedPNS,
        rows: Float[Tensor, "b #z n *x"],
        base: Float[Tensor, "b #z n k"],
        shares: Float[Tensor, "b y z d"],
        drawn: Float[Tensor, "n t d"],
    ) -> Float[Tensor, "b y z n t"]:
        """|f(g) - f| for relaxed sets, under every random choice."""
        (b, y, z, _), (n, t, _), shape = shares.shape, drawn.shape, rows.shape[3:]
        share = spread(shares, self.players).view(b, y, z, 1, 1, *shape)
        start = rows.view(b, 1, rows.shape[1], n, 1, *shape)
        # Who goes to x' first: these rows are few beside all that are asked, and need no gradient.
        hit = spread(drawn.to(start), self.players).view(1, 1, 1, n, t, *shape) > 0
        ends = start, torch.where(hit, posed.ends.view(b, 1, 1, 1, 1, *shape), start)
        outputs = soft_outputs(self.predictor, ends, share, axes=5, max_rows=self.max_rows)
        outputs = outputs.view(b * y * z, 1, n, t, -1)
        bases = base.unsqueeze(1).expand(b, y, z, n, base.shape[3]).flatten(0, 2)
        change: Tensor = posed.change.take(np.repeat(np.arange(b), y * z)).between(outputs, bases)
        return change.view(b, y, z, n, t)


def _taken(values: Float[Tensor, "b n *x"], chosen: Int64[Tensor, "b z s"]) -> Float[Tensor, "b z s *x"]:
    return torch.stack([one[numbers] for one, numbers in zip(values, chosen, strict=True)])
