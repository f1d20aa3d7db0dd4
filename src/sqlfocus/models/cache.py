"""Where models that were fetched or made ready are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where fetched and dequantized models are kept: ``$SQLFOCUS_CACHE``, else ``~/.cache/sqlfocus-models``."""
    return Path(os.environ.get("SQLFOCUS_CACHE") or Path.home() / ".cache" / "sqlfocus-models")
