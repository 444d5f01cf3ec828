"""What masks and ascents say of given networks has not changed."""

import numpy as np
import pytest

from oracles.golden_masks import CASES, kept

KEPT = kept()
# Those of a network of double precision repeat to nearly the last digits; a selector is trained in single
# precision, where sums in another order differ by some 1e-7. A hundred steps of a constant rate make 1e-9 of
# such digits, and the many steps on a coarse grid, whose numbers stop at 1, up to .01 on other processors.
TOLERANCE = {"training": 1e-5, "masks, paper": 1e-7, "masks, coarse": 0.02}


def _assert_same(found, expected, tolerance):
    match expected:
        case dict():
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                _assert_same(found[name], value, tolerance)
        case [dict(), *_]:
            for one, other in zip(found, expected, strict=True):
                _assert_same(one, other, tolerance)
        case _:
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_every_case_has_an_answer_and_every_answer_a_case():
    assert CASES.keys() == KEPT.keys()


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    _assert_same(CASES[name](), KEPT[name], TOLERANCE.get(name, 1e-9))
