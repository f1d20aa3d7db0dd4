"""What differs on Python 3.10, the oldest that is supported."""

import sys

UNLIMITED = (
    "Python 3.10 cannot limit the length of a value in SQLite: the memory limit alone stops a huge one.\n"
    if sys.version_info < (3, 11)
    else ""
)
"""What a program says on standard error before its first query on an SQLite file."""
