"""Attributions in Captum's convention: `from onlyif.interop.captum import FANS, SufficientNecessaryMask`."""

from onlyif.core.extras import check_installed

for _package in ("torch", "captum"):
    check_installed(_package, "captum", "attribution in Captum's convention")

# Behind the check, which names the extra where torch or Captum is missing.
from onlyif.interop.captum_fans import FANS, FANSDetails  # noqa: E402
from onlyif.interop.captum_mask_ways import MaskDetails, SizedDetails  # noqa: E402
from onlyif.interop.captum_masks import SufficientNecessaryMask  # noqa: E402

__all__ = ["FANS", "FANSDetails", "MaskDetails", "SizedDetails", "SufficientNecessaryMask"]
