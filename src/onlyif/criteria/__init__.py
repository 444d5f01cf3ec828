"""How far a subset is from a perfect explanation."""
