"""Tree ensembles: reading them out of models, and f_S(x) from their leaves in closed form."""
