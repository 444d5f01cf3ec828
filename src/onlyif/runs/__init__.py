"""Runs: all that one call explains, part by part, whatever its data are."""
