"""``python -m sqlfocus``."""

import sys

from sqlfocus.cli import main

sys.exit(main())
