"""A TCP proxy that delays what passes, as a network does, and counts the round trips."""

from __future__ import annotations

import multiprocessing
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Line:
    """Where the proxy listens; ``round_trips`` is how often so far the client spoke after the server had."""

    def __init__(self, port: int, counter: Any) -> None:
        self.port = port
        self._counter = counter

    @property
    def round_trips(self) -> int:
        return int(self._counter.value)


@contextmanager
def slow_line(host: str, port: int, seconds: float) -> Iterator[Line]:
    """A proxy to ``host:port`` in a process of its own; each direction takes ``seconds``, whatever the amount."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = multiprocessing.get_context("fork")
    counter = context.Value("q", 0)
    process = context.Process(target=_serve, args=(listener, host, port, seconds, counter), daemon=True)
    process.start()
    try:
        yield Line(listener.getsockname()[1], counter)
    finally:
        process.terminate()
        process.join()
        listener.close()


def _serve(listener: socket.socket, host: str, port: int, seconds: float, counter: Any) -> None:
    while True:
        client, _ = listener.accept()
        server = socket.create_connection((host, port))
        turn = {"of": "server"}

        def count(speaker: str, turn: dict[str, str] = turn) -> None:
            if speaker == "client" and turn["of"] == "server":
                with counter.get_lock():
                    counter.value += 1
            turn["of"] = speaker

        for name, source, target in (("client", client, server), ("server", server, client)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            held: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            threading.Thread(target=_take, args=(name, source, held, seconds, count), daemon=True).start()
            threading.Thread(target=_give, args=(held, target), daemon=True).start()


def _take(name: str, source: socket.socket, held: Any, seconds: float, count: Any) -> None:
    data = b" "
    while data:
        try:
            data = source.recv(1 << 16)
        except OSError:
            data = b""
        if data:
            count(name)
        held.put((time.monotonic() + seconds, data))


def _give(held: Any, target: socket.socket) -> None:
    while True:
        due, data = held.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
        except OSError:
            return
