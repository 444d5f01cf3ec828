"""The learned explainer: network, training, checkpoints, repair."""

from onlyif.core.extras import check_installed

check_installed("torch", "torch", "the learned explainer")
