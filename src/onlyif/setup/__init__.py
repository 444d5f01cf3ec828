"""From what a user has, a model and tables, to a case that is ready to be explained."""
