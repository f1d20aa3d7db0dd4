"""The ``sqlfocus`` command: a subcommand for each verb.

Each verb is a module of :mod:`sqlfocus.commands` with ``add_arguments(parser)`` and ``run(args)``; it is imported only
when it is called, so that ``sqlfocus --help`` prints at once.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import logging
import os
import sys
from collections.abc import Sequence

from sqlfocus import __version__
from sqlfocus.errors import UserError

VERBS = {
    "schema": "print a database's or DDL file's schema as M-Schema",
    "prepare": "make training and evaluation files from Spider, BIRD, your own data, feedback or mistakes",
    "synthesize": "make question-SQL pairs from a database, with no model and no network",
    "plan": "say what a fine-tuning run would do and cost, without running it",
    "finetune": "fine-tune a model with LoRA (python finetune.py)",
    "evaluate": "measure models by executing their SQL",
    "merge": "merge an adapter into its base (python utils/model_merge.py)",
    "quantize": "convert a merged model to GGUF and quantize it, with llama.cpp",
    "inspect": "print what a GGUF file says of itself, and what it lacks",
    "deploy": "write what Ollama, LM Studio, llama-server or vLLM need to serve a model",
    "compare": "measure base, adapter, merged and quantized models, and say which to take",
    "ask": "ask a database a question",
    "check": "say whether SQL may run, or the rule that refuses it",
    "serve": "serve the API and the page (python -m app)",
    "key": "make an API key for the service, or remove one",
    "mcp": "serve schemas and read-only queries to MCP clients",
    "sample": "build the sample database, an online shop (SQLite)",
    "demo": "run the whole chain on a sample database with a small model",
}

SETTINGS = {
    # A quiet library is quiet about its own affairs too: ours are the lines a user needs.
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    # Large tensors in large pages, which are quicker to get.
    "THP_MEM_ALLOC_ENABLE": "1",
    # Threads that wait for each other do so awake for microseconds only, since another process may need the core.
    "GOMP_SPINCOUNT": "2000",
}
"""Environment variables, where they are not set, of all verbs; libraries read them when they are first used."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit status: 0, 1 (a check said no), 2 (bad input) or 130 (Ctrl-C)."""
    words = list(sys.argv[1:] if argv is None else argv)
    _write_utf8()
    parser = argparse.ArgumentParser(
        prog="sqlfocus",
        description="Fine-tune, measure, merge and serve a text-to-SQL model of your own.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="verbs:\n"
        + "\n".join(f"  {verb:<11} {what}" for verb, what in VERBS.items())
        + "\n\n`sqlfocus VERB --help` lists a verb's options.",
        usage="sqlfocus [--version] VERB …",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sqlfocus {__version__}")
    if not words or words[0].startswith("-"):
        parser.parse_args(words)
        parser.print_help()
        return 0 if not words else 2
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        sys.stderr.write(f"sqlfocus: error: {verb}: no such verb; there are {', '.join(VERBS)}\n")
        return 2
    return run_verb(verb, rest)


def run_verb(verb: str, words: Sequence[str], *, prog: str | None = None) -> int:
    """Run one verb with its own arguments; errors become one line on stderr and an exit status."""
    for name, value in SETTINGS.items():
        if not (name == "GOMP_SPINCOUNT" and "OMP_WAIT_POLICY" in os.environ):  # they set the same thing
            os.environ.setdefault(name, value)
    # On some CPUs bitsandbytes misses a kernel at every start, for answering in 4 bits, which nothing here does.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    _write_utf8()
    command = importlib.import_module(f"sqlfocus.commands.{verb}")
    try:
        parser = argparse.ArgumentParser(
            prog=prog or f"sqlfocus {verb}",
            description=VERBS[verb][0].upper() + VERBS[verb][1:] + ".",
            allow_abbrev=False,
        )
        if hasattr(command, "run_words"):  # a verb that parses for itself: finetune takes all of transformers' flags
            return int(command.run_words(list(words), prog=parser.prog))
        command.add_arguments(parser)
        return int(command.run(parser.parse_args([_underscored(word) for word in words])))
    except UserError as error:
        sys.stderr.write(f"sqlfocus: error: {error}\n")
        return 2
    except KeyboardInterrupt as error:
        sys.stderr.write(f"\n{str(error) or 'Stopped.'}\n")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.stderr.write("sqlfocus: error: the disk is full; free some space and run the command again\n")
        return 2


def _write_utf8() -> None:
    """Questions, comments and values come in any script, whatever the console's code page."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")


def _underscored(word: str) -> str:
    """``--max-values=3`` as ``--max_values=3``: both spellings are taken."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


if __name__ == "__main__":
    sys.exit(main())
