"""``sqlfocus inspect``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("file", type=Path, help="a GGUF file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the file's description; return 1 where it lacks something that serving needs."""
    from sqlfocus.errors import UserError
    from sqlfocus.models.gguf_file import read_gguf
    from sqlfocus.models.inspection import description

    file = args.file.expanduser()
    if file.is_dir():
        raise UserError(f"{file}: a folder; name a GGUF file in it")
    found = description(read_gguf(file))
    sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n" if args.json else _text(found))
    return 1 if found["lacks"] else 0


def _text(found: dict[str, Any]) -> str:
    from sqlfocus.errors import printable
    from sqlfocus.files import readable

    mix = ", ".join(f"{kind} {100 * weights / found['parameters']:.1f} %" for kind, weights in found["mix"].items())
    values = found["max_values"]
    rows = {
        "file": found["file"],
        "size": f"{readable(found['bytes'])}, {found['parameters']:,} parameters",
        "architecture": found["architecture"],
        "name": found["name"],
        "type": f"{found['type']} ({mix})",
        "context": f"{found['context']:,} tokens" if found["context"] else "",
        "chat template": found["chat_template"],
        "end token": found["end_token"],
        "licence": found["license"],
        "base model": ", ".join(found["base_models"]) or found["base_model"],
        "prompt template": found["prompt_template"],
        "dialects": ", ".join(found["dialects"]),
        "sample values": "none in training" if values == 0 else f"{values} a column at most" if values else "",
    }
    lines = [f"{name:<16}{value or 'not said'}" for name, value in rows.items()]
    for row in found["evaluations_before_quantizing"]:
        interval = f"95 % interval {row['low']:.3f} to {row['high']:.3f}"
        told = f"{row['ex']:.3f} of {row['questions']} questions, {interval}, {row['data']}"
        lines.append(f"{'EX':<16}{told}, measured before merging and quantizing")
    if not found["evaluations_before_quantizing"]:
        lines.append(f"{'EX':<16}not measured before merging and quantizing")
    lines += ["", *(f"lacks: {line}" for line in found["lacks"])] if found["lacks"] else ["", "Ready to be served."]
    return "\n".join([*map(printable, lines), ""])
