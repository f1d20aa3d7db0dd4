"""Loading, merging and converting models."""
