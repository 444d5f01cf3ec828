"""The contract of each base class, as checks that anyone can run."""
