"""From a case to explanations: what was compared, and what is drawn from it."""
