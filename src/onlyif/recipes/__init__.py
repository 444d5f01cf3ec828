"""Settings as text, and the tables from names and types to objects."""
