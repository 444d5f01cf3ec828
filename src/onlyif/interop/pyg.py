"""Algorithms in torch_geometric's convention: `from onlyif.interop.pyg import FANSExplainer`."""

from onlyif.core.extras import check_installed

for _package in ("torch", "torch_geometric"):
    check_installed(_package, "graphs", "explanation in torch_geometric's convention")

# Behind the check, which names the extra where torch or torch_geometric is missing.
from onlyif.interop.pyg_causes import FANSGraphSettings, paper_fans  # noqa: E402
from onlyif.interop.pyg_fans import FANSExplainer  # noqa: E402
from onlyif.interop.pyg_masks import EdgeMaskSettings, SufficientNecessaryExplainer  # noqa: E402

__all__ = [
    "EdgeMaskSettings",
    "FANSExplainer",
    "FANSGraphSettings",
    "SufficientNecessaryExplainer",
    "paper_fans",
]
