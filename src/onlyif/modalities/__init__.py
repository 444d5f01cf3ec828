"""Kinds of data: tables with their columns and groups, and images."""
