"""The dual-stage perturbation test of FANS: PN, PS and PNS of given subsets."""
