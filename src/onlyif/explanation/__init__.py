"""Results as data: selections, continua, certificates and explanations."""
