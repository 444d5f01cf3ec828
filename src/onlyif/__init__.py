"""Sufficient and necessary explanations of predictions, and what lies in between."""
