"""Doors from and to other libraries."""
