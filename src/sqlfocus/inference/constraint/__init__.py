"""Answers that are valid by construction: at each token, what can still become SQL on the schema at hand."""
