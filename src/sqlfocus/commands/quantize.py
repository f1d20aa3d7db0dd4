"""``sqlfocus quantize``."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlfocus.models.gguf import Quantized
    from sqlfocus.models.gguf_file import GgufFile

STOPPED = "Stopped; finished files are kept, and the same command goes on."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--model", type=Path, required=True, help="merged model's folder: new-model/NAME")
    parser.add_argument(
        "--type",
        nargs="+",
        default=["Q4_K_M"],
        metavar="TYPE",
        help="Q2_K, Q3_K_M, Q4_0, Q4_K_S, Q4_K_M (default), Q5_K_S, Q5_K_M, Q6_K, Q8_0; several, or all; F16 or BF16 "
        "is the conversion alone, or with others what they are made from",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the files (default: new-model/NAME-GGUF)")
    parser.add_argument(
        "--llama_cpp", type=Path, metavar="DIR", help="a checkout of llama.cpp to use instead of llama-cpp-python's"
    )
    parser.add_argument(
        "--license", default="", metavar="ID", help="the model's licence, apache-2.0 for instance (default: its card's)"
    )
    parser.add_argument("--force", action="store_true", help="write files anew that are there already")


def run(args: argparse.Namespace) -> int:
    """Quantize, then print the table of the files and what to do next."""
    from sqlfocus.models.installed import need_training

    need_training("sqlfocus quantize")
    from sqlfocus.models.gguf import quantize

    types = _types(args.type)
    model, output, checkout = (path and path.expanduser() for path in (args.model, args.output, args.llama_cpp))
    try:
        with _ended_by_sigterm():
            done = quantize(model, types, output=output, llama_cpp=checkout, licence=args.license, force=args.force)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(STOPPED) from stop
    except SystemExit:
        sys.stderr.write(f"\n{STOPPED}\n")
        raise
    sys.stdout.write(_report(model, output, done))
    return 0


def _types(words: list[str]) -> list[str]:
    """The types as llama.cpp spells them, each once.

    Raises:
        UserError: there is no such type.
    """
    from sqlfocus.errors import UserError
    from sqlfocus.models.gguf_size import HALVES, QUANTIZED

    found: list[str] = []
    for word in words:
        kind = word.upper()
        if kind not in ("ALL", *QUANTIZED, *HALVES):
            raise UserError(f"--type {word}: no such type; there are {', '.join((*QUANTIZED, *HALVES))}, and all")
        found += QUANTIZED if kind == "ALL" else [kind]
    return list(dict.fromkeys(found))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as an error does, so that temporary files and processes go with it."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _report(model: Path, output: Path | None, done: Quantized) -> str:
    from sqlfocus.files import readable

    rows = [(file.path.name, file.file_type, readable(file.path.stat().st_size), _mix(file)) for file in done.files]
    heads = ("file", "type", "size", "of which, by weights")
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(4)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in [heads, *rows]]
    lines = ["", *(line.rstrip() for line in lines), ""]
    if done.fall_back and any("_K" in file.file_type for file in done.files):
        lines.append(
            "K-quants divide rows into blocks of 256 weights. This model has rows that do not divide so, which got "
            "Q4_0, Q5_0, Q5_1 or Q8_0 instead."
        )
    half = done.half
    if half is not None and half not in done.files:
        size = readable(half.path.stat().st_size)
        lines.append(f"{half.path.name} may be deleted, which saves {size}; further types would make it anew.")
    chosen = next((file for file in done.files if file.file_type == "Q4_K_M"), done.files[0])
    measured = ["--model", str(model), *(["--gguf", str(output)] if output else [])]
    lines += ["", "What next:", f"  {shlex.join(['sqlfocus', 'inspect', str(chosen.path)])}"]
    lines.append(f"  {shlex.join(['sqlfocus', 'compare', *measured])} --data FILE.jsonl --databases DIR")
    lines.append(f"  {shlex.join(['sqlfocus', 'deploy', 'ollama', '--model', str(chosen.path)])}")
    return "\n".join([*lines, ""])


def _mix(file: GgufFile) -> str:
    """The types of its tensors with their shares, those of at least half a percent: ``Q4_K 45 %, Q6_K 55 %``."""
    shares = {kind: 100 * weights / file.parameters for kind, weights in file.mix.items()}
    return ", ".join(f"{kind} {share:.0f} %" for kind, share in shares.items() if share >= 0.5)
