"""Measures of attribution maps: is the explanation any good?"""
