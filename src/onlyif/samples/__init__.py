"""The sample E: the inputs among which FANS looks for neighbours of the explained one."""
