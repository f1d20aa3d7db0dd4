"""``sqlfocus serve`` (``python -m app``): the service, an API and a page."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlfocus.commands.ask import CANDIDATES_HELP, VALUES_HELP

if TYPE_CHECKING:
    from sqlfocus.web.live import LiveDatabase

ENGINES = ("auto", "transformers", "llamacpp", "openai")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--host", default="localhost", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=4060, help="port to listen on (%(default)s)")
    parser.add_argument(
        "--model",
        help="adapter, merged model, base, GGUF file, or the URL of a server's /v1 (the newest in new-model/, else in "
        "save-model/; with --engine llamacpp, or without PyTorch, the newest GGUF file)",
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what runs the model: openai asks the server that --model is the URL of; auto takes llama.cpp for a GGUF "
        "file where it is installed (%(default)s)",
    )
    parser.add_argument(
        "--enable_mschema", action="store_true", help="connect to the databases of --config and read their schemas"
    )
    parser.add_argument(
        "--config", type=Path, default=Path("config/config.ini"), help="which databases to connect to (%(default)s)"
    )
    parser.add_argument("--prompt_template", help="for a base model; a fine-tuned one knows its own")
    parser.add_argument("--max_values", type=int, metavar="N", help=VALUES_HELP)
    parser.add_argument("--free", action="store_true", help="let the model write what it will, not only valid SQL")
    parser.add_argument("--candidates", type=int, default=1, metavar="N", help=CANDIDATES_HELP)
    parser.add_argument(
        "--queue", type=int, default=64, metavar="N", help="questions under way at most; others get a 503 (%(default)s)"
    )
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        help="ask for a key of this file, which `sqlfocus key` makes (default: whoever reaches the port may ask)",
    )
    parser.add_argument(
        "--origins",
        nargs="+",
        default=[],
        metavar="URL",
        help="pages of other sites that may call the API in a browser: https://example.com (default: none)",
    )
    parser.add_argument(
        "--feedback_file",
        type=Path,
        default=Path("output/feedback.jsonl"),
        help="where people's verdicts on answers are kept (%(default)s)",
    )


LOOPBACK = ("localhost", "127.0.0.1", "::1")
MOST_QUEUE = 500
SETTINGS = {
    # How many shapes of products PyTorch and oneDNN remember on a CPU, each with 250 KB; by default 1024 of each kind,
    # which a service comes to hold in a minute: 0.7 GB for SmolLM2-135M. So few cost 5 % of the answers a second.
    "LRU_CACHE_CAPACITY": "128",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "256",
}
"""Environment variables, where they are not set; libraries read them when they are first used."""


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from sqlfocus.errors import UserError

    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    _check(args)
    try:
        from sqlfocus.web.app import LOCAL_HOSTS, create_app
        from sqlfocus.web.pages import bundles
        from sqlfocus.web.serving import SPARE_THREADS, listening, serve
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed: pip install 'sql-focus-finetune[serve]'") from error
    from sqlfocus.models.installed import missing_for_weights
    from sqlfocus.models.named import max_values
    from sqlfocus.models.newest import newest_gguf, newest_model
    from sqlfocus.web.config import read_config
    from sqlfocus.web.keys import Keys
    from sqlfocus.web.live import Catalog, LiveDatabase
    from sqlfocus.web.service import Service

    bundles()
    only_gguf = args.engine == "llamacpp" or (args.engine == "auto" and bool(missing_for_weights()))
    model = args.model or str(newest_gguf() if only_gguf else newest_model())
    settings = read_config(args.config) if args.enable_mschema else []
    keys = Keys(args.keys) if args.keys else None
    # What may be refused comes first, and the model, which takes long, last.
    with ExitStack() as stack:
        sockets = stack.enter_context(listening(args.host, args.port))
        databases = []
        shown = max_values(model, args.max_values)
        for one in settings:
            databases.append(LiveDatabase(one, max_values=shown))
            stack.callback(databases[-1].close)
            for warning in databases[-1].known.database.warnings:
                sys.stderr.write(f"warning: {one.name}: {warning}\n")
        from sqlfocus.inference.loading import load_engine

        engine, template = load_engine(
            model,
            engine="auto" if args.engine == "openai" else args.engine,
            prompt_template=args.prompt_template,
            save_prefixes=True,
        )
        service = Service(
            *(engine, template, Catalog(databases)),
            most_at_a_time=args.queue,
            candidates=args.candidates,
            constrained=not args.free,
        )
        hosts = LOCAL_HOSTS if args.host in LOOPBACK else None
        app = create_app(service, review_file=args.feedback_file, hosts=hosts, keys=keys, origins=args.origins)
        threading.Thread(target=service.warm, daemon=True).start()
        _announce(args.host, sockets[0].getsockname()[1], model, databases, locked=keys is not None)
        serve(app, sockets, threads=args.queue + SPARE_THREADS)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse flags that do not go together.

    Raises:
        UserError: with the first of them.
    """
    from sqlfocus.errors import UserError

    if not 0 <= args.port < 65536:
        raise UserError(f"--port {args.port}: a port is a number from 1 to 65535")
    for name in ("candidates", "queue"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} {getattr(args, name)}: it has to be at least 1")
    if args.queue > MOST_QUEUE:
        raise UserError(f"--queue {args.queue}: each place is a thread; {MOST_QUEUE} are the most")
    for origin in args.origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}" or not parts.netloc:
            raise UserError(f"--origins {origin}: write https://HOST or http://HOST:PORT, with nothing behind it")
    is_url = (args.model or "").startswith(("http://", "https://"))
    if args.engine == "openai" and not is_url:
        raise UserError("--engine openai asks a server: name it with --model http://HOST:PORT/v1")
    if args.engine in ("transformers", "llamacpp") and is_url:
        raise UserError(f"--model {args.model} is a server: leave out --engine {args.engine}")


def _announce(host: str, port: int, model: str, databases: list[LiveDatabase], *, locked: bool) -> None:
    """Say what is served, and where."""
    shown = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    lines = [f"model     {model}"]
    for database in databases:
        known = database.known.database
        chosen = ", chosen for each question" if database.linked else ""
        tables = "1 table" if len(known.tables) == 1 else f"{len(known.tables)} tables"
        lines.append(f"database  {database.name} ({database.dialect}, {tables}{chosen})")
    if not databases:
        lines.append("database  none; requests bring their schema (--enable-mschema connects those of the config)")
    lines += [f"page      http://{shown}:{port}/", f"API       http://{shown}:{port}/openapi.json", "Ctrl-C stops."]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    if host not in LOOPBACK and locked:
        sys.stderr.write(
            f"warning: keys, questions and rows go to {host} in clear text; put a proxy with TLS before it\n"
        )
    elif host not in LOOPBACK:
        sys.stderr.write(
            f"warning: whoever reaches {host}, port {port}, may ask, and read what the database's user may read; "
            "--keys asks for a key\n"
        )
