"""What every test may ask for."""

from small_models import smollm2, tiny_model

__all__ = ["smollm2", "tiny_model"]
