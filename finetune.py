"""``python finetune.py``: the same as ``sqlfocus finetune``."""

import sys

from sqlfocus.cli import run_verb

if __name__ == "__main__":
    sys.exit(run_verb("finetune", sys.argv[1:], prog="finetune.py"))
