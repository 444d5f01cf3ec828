"""The learned explainer: network, training, checkpoints, repair."""
