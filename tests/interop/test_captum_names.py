"""The public names for Captum's users, and what is said where torch or Captum is missing."""

import sys
from importlib import import_module

import pytest

from onlyif.core.errors import ExtraError
from onlyif.interop import captum_fans, captum_mask_ways, captum_masks


def test_both_methods_are_offered_from_one_place():
    names = import_module("onlyif.interop.captum")
    assert names.FANS is captum_fans.FANS and names.FANSDetails is captum_fans.FANSDetails
    assert names.SufficientNecessaryMask is captum_masks.SufficientNecessaryMask
    assert names.MaskDetails is captum_mask_ways.MaskDetails
    assert names.SizedDetails is captum_mask_ways.SizedDetails


@pytest.mark.parametrize("package", ["torch", "captum"])
def test_a_missing_package_is_named_with_its_extra(package, monkeypatch):
    monkeypatch.delitem(sys.modules, "onlyif.interop.captum", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExtraError, match=rf"Captum's convention needs {package}, .*onlyif\[captum\]"):
        import_module("onlyif.interop.captum")
