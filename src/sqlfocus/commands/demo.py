"""``sqlfocus demo``, also ``make demo``."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--folder", type=Path, default=Path("demo-run"), help="where everything goes (%(default)s)")
    parser.add_argument("--model", help="base model (default: SmolLM2-135M-Instruct, fetched with pip)")
    parser.add_argument("--count", type=int, default=1120, help="pairs to synthesize (%(default)s)")
    parser.add_argument("--epochs", type=float, default=1, help="passes over them (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    from sqlfocus.demo.chain import run_demo
    from sqlfocus.errors import UserError
    from sqlfocus.inference import llamacpp
    from sqlfocus.models.installed import need_training

    need_training("sqlfocus demo")
    if not llamacpp.available():
        raise UserError("sqlfocus demo needs llama-cpp-python: pip install 'sql-focus-finetune[gguf]'")
    run_demo(args.folder, model=args.model, count=args.count, epochs=args.epochs)
    return 0
