"""What every test may ask for."""

from servers import mariadb_url, postgres_url
from small_models import smollm2, tiny_model

__all__ = ["mariadb_url", "postgres_url", "smollm2", "tiny_model"]
