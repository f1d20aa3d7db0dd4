"""``sqlfocus deploy``."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlfocus.models.record import ModelRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    from sqlfocus.models.deploy import PORTS

    parser.add_argument("server", choices=PORTS, help="what is to serve the model")
    parser.add_argument(
        "--model", type=Path, required=True, help="a GGUF file of a fine-tuned model; for vllm, a merged model's folder"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder to write into (the model's own; for lmstudio, LM Studio's models folder, else lm-studio/models)",
    )
    parser.add_argument(
        "--context",
        type=int,
        metavar="N",
        help="tokens of prompt and answer that there is to be room for (what the model reads, but 8192 at most)",
    )
    parser.add_argument("--name", help="what the server calls the model (as the file or folder is called)")
    parser.add_argument("--force", action="store_true", help="replace files that are there")


def run(args: argparse.Namespace) -> int:
    """Write the files and print what comes next."""
    from sqlfocus.corpus.prompt import template_named
    from sqlfocus.errors import printable
    from sqlfocus.models.deploy import Wishes, deploy
    from sqlfocus.models.served import served_folder, served_gguf

    read = served_folder if args.server == "vllm" else served_gguf
    model = read(args.model.expanduser())
    template = template_named(model.record.prompt_template)
    system = template.prompt(schema="", question="", dialect=model.dialect).system
    output = args.output.expanduser() if args.output else None
    done = deploy(args.server, model, system or "", Wishes(output, args.context, args.name, args.force))
    memory = f", {done.context_bytes / 1e6:,.0f} MB of memory for each question at a time" if done.context_bytes else ""
    lines = [f"written   {done.written}", f"context   {done.context} tokens{memory} (--context sets another)"]
    lines += ["then run", *(f"  {command}" for command in (*done.commands, _service(done.address, model.record)))]
    lines += [f"note: {note}" for note in done.notes]
    sys.stdout.write("\n".join(map(printable, lines)) + "\n")
    return 0


def _service(address: str, record: ModelRecord) -> str:
    """What starts the service with the server, which does not say in which form its model was trained to be asked."""
    from sqlfocus.corpus.prompt import DEFAULT_TEMPLATE
    from sqlfocus.schema.mschema import MAX_VALUES

    command = f"python -m app --engine openai --model {address}"
    if record.prompt_template != DEFAULT_TEMPLATE:
        command += f" --prompt_template {shlex.quote(record.prompt_template)}"
    if record.max_values not in (None, MAX_VALUES):
        command += f" --max_values {shlex.quote(str(record.max_values))}"
    return command
