"""``sqlfocus mcp``: schemas and read-only queries for clients of the Model Context Protocol."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlfocus.commands.ask import VALUES_HELP

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from sqlfocus.web.config import DatabaseSettings
    from sqlfocus.web.live import Catalog
    from sqlfocus.web.service import Service


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--database", metavar="URL|FILE", help="an SQLite file, or a URL like mysql://user:password@host/db"
    )
    which.add_argument(
        "--config", type=Path, default=Path("config/config.ini"), help="which databases to connect to (%(default)s)"
    )
    parser.add_argument("--rows", type=int, default=100, metavar="N", help="most rows of a result (%(default)s)")
    parser.add_argument(
        "--model",
        help="a model that answers questions (text_to_sql): adapter, merged model, base, GGUF file, or the URL of a "
        "server's /v1 (none: the client's own model writes the SQL)",
    )
    parser.add_argument("--prompt_template", help="for a base model; a fine-tuned one knows its own")
    parser.add_argument("--max_values", type=int, metavar="N", help=VALUES_HELP)
    parser.add_argument(
        "--transport",
        choices=("stdio", "http"),
        default="stdio",
        help="stdio: the client starts this command and talks to its standard input and output; http: at "
        "http://127.0.0.1:PORT/mcp, for this machine alone (%(default)s)",
    )
    parser.add_argument("--port", type=int, default=4061, help="port of --transport http (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Serve until the client goes or Ctrl-C; on standard output there is the protocol alone."""
    from sqlfocus.errors import UserError

    if args.rows < 1:
        raise UserError(f"--rows {args.rows}: it has to be at least 1")
    if not 0 < args.port < 65536:
        raise UserError(f"--port {args.port}: a port is a number from 1 to 65535")
    try:
        from sqlfocus.web.mcp import MOST_SCHEMA_CHARACTERS, limits, mcp_server
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed: pip install 'sql-focus-finetune[mcp]'") from error
    from sqlfocus.models.named import max_values
    from sqlfocus.schema.linking import MOST_CHARACTERS
    from sqlfocus.web.config import read_config
    from sqlfocus.web.live import Catalog, LiveDatabase
    from sqlfocus.web.queries import Queries

    settings = [_settings(args.database)] if args.database else read_config(args.config)
    shown = max_values(args.model or "", args.max_values)
    databases = [
        LiveDatabase(
            one,
            max_values=shown,
            # The client's model reads more than one made for SQL does.
            most_characters=MOST_CHARACTERS if args.model else MOST_SCHEMA_CHARACTERS,
            limits=limits(args.rows),
            look_values_up=args.model is not None,
        )
        for one in settings
    ]
    for database in databases:
        for warning in database.known.database.warnings:
            sys.stderr.write(f"warning: {database.name}: {warning}\n")
    catalog = Catalog(databases)
    service = None
    if args.model:
        with contextlib.redirect_stdout(sys.stderr):
            service = _service(args, catalog)
    server = mcp_server(service.queries if service else Queries(catalog), rows=args.rows, service=service)
    try:
        _serve(server, catalog, args)
    finally:
        catalog.close()
    return 0


def _settings(database: str) -> DatabaseSettings:
    """A database that is named on the command line, called as it is itself or as its file."""
    from sqlfocus.web.config import DatabaseSettings, database_name

    return DatabaseSettings(database_name(database, "--database"), database)


def _service(args: argparse.Namespace, catalog: Catalog) -> Service:
    """The model, loaded; what its questions share is computed beside the first of them."""
    from sqlfocus.inference.loading import load_engine
    from sqlfocus.web.service import Service

    engine, template = load_engine(args.model, prompt_template=args.prompt_template, save_prefixes=True)
    service = Service(engine, template, catalog)
    threading.Thread(target=service.warm, daemon=True).start()
    return service


def _serve(server: MCPServer[Any], catalog: Catalog, args: argparse.Namespace) -> None:
    from sqlfocus.errors import UserError

    if args.transport == "http":
        import asyncio

        sys.stderr.write(f"MCP at http://127.0.0.1:{args.port}/mcp; Ctrl-C stops.\n")
        try:
            server.run("streamable-http", port=args.port)
        except SystemExit as error:
            raise UserError(f"port {args.port} is in use by another program; choose another with --port") from error
        except asyncio.CancelledError:  # what Ctrl-C is to anyio on Python 3.10
            raise KeyboardInterrupt from None
        return
    if sys.stdin.isatty():
        sys.stderr.write("An MCP client starts this command and talks to it; see docs/mcp.md. Ctrl-C stops.\n")

    # A thread waits for the client's next line, and neither that thread nor an exit that waits for it can be cut short.
    def end(number: int, _frame: Any) -> None:
        catalog.close()
        if number == signal.SIGINT:
            sys.stderr.write("\nStopped.\n")
        os._exit(130 if number == signal.SIGINT else 0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    server.run()
