"""Methods that explain nodes of graphs and are in no maintained package."""
