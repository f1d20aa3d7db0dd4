"""``python -m app``: the same as ``sqlfocus serve``."""

import sys

from sqlfocus.cli import run_verb

if __name__ == "__main__":
    sys.exit(run_verb("serve", sys.argv[1:], prog="python -m app"))
