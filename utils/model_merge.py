"""``python utils/model_merge.py``: the same as ``sqlfocus merge``."""

import sys

from sqlfocus.cli import run_verb

if __name__ == "__main__":
    sys.exit(run_verb("merge", sys.argv[1:], prog="model_merge.py"))
