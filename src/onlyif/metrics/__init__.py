"""Measures of attribution maps: whether an explanation is any good."""
