"""The user's model as a predictor, and how its kind is detected."""
