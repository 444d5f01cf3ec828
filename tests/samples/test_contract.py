"""Every sample E keeps the contract of its base class, and says what is wrong with what it is given."""

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import onlyif.samples
from onlyif.causation.dissimilarity import ScaledDifference
from onlyif.core.arrays import namespace
from onlyif.core.errors import InputError, SettingError
from onlyif.samples.background import BackgroundSample, PopulationSample
from onlyif.samples.base import Sample, SampleRows
from onlyif.samples.dropped import DroppedSample
from onlyif.samples.fewer import FewerSample
from onlyif.samples.masked import MaskedSample
from onlyif.samples.nearest import NearestSample
from onlyif.samples.noisy import NoisySample
from onlyif.testing.samples import check_sample

MADE = torch.Generator().manual_seed(0)
X = torch.randn(3, 4, generator=MADE, dtype=torch.float64)
ROWS = torch.randn(9, 4, generator=MADE, dtype=torch.float64)
LACKING = ROWS.masked_fill(torch.rand(9, 4, generator=MADE) < 0.3, torch.nan)
MEMBERS = {
    BackgroundSample: lambda x, rows: BackgroundSample(rows),
    PopulationSample: lambda x, rows: PopulationSample(namespace(x).concat([rows, x])),
    NearestSample: lambda x, rows: NearestSample(rows, 4),
    FewerSample: lambda x, rows: FewerSample(BackgroundSample(rows), 5),
    DroppedSample: lambda x, rows: DroppedSample(5, 0.4),
    MaskedSample: lambda x, rows: MaskedSample(4, 2),
    NoisySample: lambda x, rows: NoisySample(4, 0.5),
}


@pytest.mark.parametrize("made", MEMBERS.values(), ids=[one.__name__ for one in MEMBERS])
def test_every_member_keeps_the_contract(made):
    check_sample(made(X, ROWS), X)
    check_sample(made(X.numpy(), ROWS.numpy()), X.numpy())
    images = X.float().view(3, 1, 2, 2)
    check_sample(made(images, ROWS.float().view(9, 1, 2, 2)), images)


@pytest.mark.parametrize("made", MEMBERS.values(), ids=[one.__name__ for one in MEMBERS])
def test_missing_values_stay(made):
    x = X.clone()
    x[0, 1] = torch.nan
    check_sample(made(x, LACKING), x)


def test_no_member_is_missing_here_or_in_the_guide():
    for module in pkgutil.iter_modules(onlyif.samples.__path__):
        importlib.import_module(f"onlyif.samples.{module.name}")
    found = {one for one in Sample.__subclasses__() if one.__module__.startswith("onlyif.samples.")}
    assert found == set(MEMBERS)
    guide = (Path(__file__).parents[2] / "docs" / "causation.md").read_text("utf-8")
    assert {one.__name__ for one in found if one.__name__ not in guide} == set()


def test_the_nearest_rows_are_the_nearest():
    scale = torch.tensor([1.0, 10.0, 0.1, 1.0], dtype=torch.float64)
    scaled = NearestSample(ROWS, 4, ScaledDifference(scale).squares)
    for sample, plain in ((NearestSample(ROWS, 4), [1.0] * 4), (scaled, scale.tolist())):
        found = sample.rows(X, 0).own
        for i, one in enumerate(X.tolist()):
            apart = [
                sum(((a - b) / s) ** 2 for a, b, s in zip(row, one, plain, strict=True))
                for row in ROWS.tolist()
            ]
            order = sorted(range(9), key=apart.__getitem__)[:3]
            assert torch.equal(found[i, 1:], ROWS[order])


def test_noise_is_seeded_has_its_size_and_is_shared():
    rows = NoisySample(4001, 0.2).rows(X, 7).own
    noise = rows[:, 1:] - X.unsqueeze(1)
    assert float(noise.std()) == pytest.approx(0.2, rel=0.05)
    torch.testing.assert_close(noise[0], noise[1])
    assert not torch.equal(rows, NoisySample(4001, 0.2).rows(X, 8).own)


def test_dropped_entries_are_as_many_as_said_and_the_same_beside_further_ones():
    sample = DroppedSample(2001, 0.3, kept=1)
    whole, first = (sample.rows(x, 5).own for x in (torch.ones(2, 6), torch.ones(1, 3)))
    assert bool((whole[:, :, 0] == 1).all())
    assert float(1 - whole[:, 1:, 1:].mean()) == pytest.approx(0.3, abs=0.02)
    assert torch.equal(whole[0], whole[1])
    assert torch.equal(first[0], whole[0, :, :3])
    assert not torch.equal(whole, sample.rows(torch.ones(2, 6), 6).own)


def test_bad_input_is_named():
    for n, share, kept in ((1, 0.1, 0), (5, 0.0, 0), (5, 1.0, 0), (5, 0.5, -1)):
        with pytest.raises(SettingError, match=f"got {n}, {share} and {kept}"):
            DroppedSample(n, share, kept)
    with pytest.raises(SettingError, match="at least one background row beside the instance, got none"):
        BackgroundSample(ROWS[:0])
    for n in (0, 1):
        with pytest.raises(SettingError, match=f"at least two rows, the instance among them; got {n}"):
            PopulationSample(ROWS[:n])
    with pytest.raises(InputError, match="instance 0 is not among the 9 rows of the sample E"):
        PopulationSample(ROWS).rows(X, 0)
    with pytest.raises(InputError, match="instance 1 is not among"):
        PopulationSample(torch.cat([ROWS, X[:1]])).rows(X, 0)
    for n in (1, 11):
        with pytest.raises(SettingError, match="has 2 to 10 inputs, got n="):
            NearestSample(ROWS, n)
    for n, sigma in ((1, 0.1), (5, 0.0), (5, float("nan"))):
        with pytest.raises(SettingError, match="noisy copies need n >= 2 and sigma > 0"):
            NoisySample(n, sigma)
    for sample in (BackgroundSample(ROWS), PopulationSample(ROWS), NearestSample(ROWS, 3)):
        with pytest.raises(
            InputError, match=r"the rows of the sample E have shape \(4,\), the instances \(3,\)"
        ):
            sample.rows(X[:, :3], 0)


@dataclass(frozen=True)
class _Broken(Sample):
    """Right unless told to be wrong, to see each check fail."""

    wrong: str = ""

    def rows(self, x, seed):
        own = x.unsqueeze(1).clone()
        shared = torch.zeros(3, *x.shape[1:], dtype=x.dtype)
        if self.wrong == "others":
            shared += x.sum()
        if self.wrong == "absent":
            own += 1
        if self.wrong == "few":
            shared = shared[:0]
        if self.wrong == "changes":
            x += 1
        if self.wrong == "draws":
            shared += torch.rand(1)
        return SampleRows(own, shared)

    @property
    def sentence(self):
        return "" if self.wrong == "mute" else "zeros"


SAID = {
    "others": "alone differs",
    "absent": "is not in its sample",
    "few": "at least two inputs",
    "changes": "x was changed",
    "draws": "differs",
    "mute": "needs a sentence",
}


@pytest.mark.parametrize("wrong", SAID)
def test_a_broken_sample_is_found_out(wrong):
    check_sample(_Broken(), X.clone())
    with pytest.raises(AssertionError, match=SAID[wrong]):
        check_sample(_Broken(wrong), X.clone())
