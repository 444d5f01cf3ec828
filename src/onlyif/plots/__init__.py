"""Pictures of explanations: each takes an Axes and returns it."""
