"""What every test may ask for."""

import signal

from farm import farm
from hostile_sql import prey
from servers import mariadb_url, postgres_url
from small_models import smollm2, tiny_model

__all__ = ["farm", "mariadb_url", "postgres_url", "prey", "smollm2", "tiny_model"]

# A shell starts what it puts in the background with Ctrl-C ignored, and tests of Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
