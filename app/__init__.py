"""``python -m app``: the service."""
