"""From settings to a running server: waitress, which serves on Windows too, over the app."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import waitress
from flask import Flask

from sqlfocus.errors import UserError

SPARE_THREADS = 16
"""Besides one for each question that may be under way: for health, metrics, queries, and to turn others away."""


@contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets that hold the port while the block runs, of all addresses that ``host`` has (``localhost`` has two).

    Raises:
        UserError: the port is in use, not allowed, or the host is not this machine's.
    """
    sockets: list[socket.socket] = []
    try:
        _bind(host, port, sockets)
        yield sockets
    finally:
        for one in sockets:
            one.close()


def _bind(host: str, port: int, sockets: list[socket.socket]) -> None:
    """Bind the sockets, and add them to ``sockets`` one by one."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--host {host}: no such address ({getattr(error, 'strerror', None) or error})") from error
    refusal: OSError | None = None
    for family, kind, protocol, _, address in found:
        one = socket.socket(family, kind, protocol)
        try:
            if sys.platform != "win32":  # there it would let two servers have one port
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # With --port 0 the system chooses, and then for both addresses the same.
            one.bind((address[0], sockets[0].getsockname()[1], *address[2:]) if sockets and not port else address)
            one.listen(1024)
            sockets.append(one)
        except OSError as error:
            one.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise _refused(host, port, error) from error
            refusal = error  # no IPv6 on this machine, say
    if not sockets:
        raise _refused(host, port, refusal)


def _refused(host: str, port: int, error: OSError | None) -> UserError:
    if error is not None and error.errno == errno.EADDRINUSE:
        return UserError(f"port {port} is in use by another program; choose another with --port")
    if error is not None and error.errno == errno.EACCES:
        return UserError(f"port {port} may not be used by this user; choose one above 1023 with --port")
    return UserError(f"{host}:{port} cannot be listened on ({error.strerror if error else 'no address'})")


def serve(app: Flask, sockets: list[socket.socket], *, threads: int) -> None:
    """Serve until Ctrl-C or SIGTERM; what is under way then has five seconds."""
    server = waitress.create_server(
        app,
        sockets=sockets,
        threads=threads,
        ident="sqlfocus",
        # Between bytes of a request; an answer may take longer.
        channel_timeout=120,
        connection_limit=400 if sys.platform == "win32" else 2000,
        asyncore_use_poll=True,  # select() cannot count beyond 1023 open files; where there is no poll, it is select
        # The app refuses what is too large, in the shape of its other errors.
        max_request_body_size=4 * app.config["MAX_CONTENT_LENGTH"],
        clear_untrusted_proxy_headers=True,
    )

    def end(_number: int, _frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        raise SystemExit(0)

    # It would say so each time that requests wait for a thread, which is no fault.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, end)
    try:
        server.run()
    finally:
        server.close()
