"""Finding the subsets whose gap is small."""
