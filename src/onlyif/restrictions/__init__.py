"""The restricted prediction f_S(x): what a model says when it sees only S."""
