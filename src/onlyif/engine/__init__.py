"""The only code that calls a model."""
