"""The service under load: many questions at a time for a minute, each with a marker of its own.

    python benchmarks/service.py [--model MODEL] [--database FILE] [--clients 200] [--seconds 60] [--quick] [--json F]

Starts ``python -m app`` on a free port over a SQLite database (the sample database, unless one is named) and asks it
from so many threads, each over a connection of its own, one question after the other. Every question names a value that
no other does ("…the customer called Zx104-7"), so that an answer that went to another's question shows. What is
allowed are answers (200) and being turned away (503). The server's memory is read before, during and after.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests

from sqlfocus.demo.shop import build_shop
from sqlfocus.demo.small_model import fetch_smollm2

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = (
    "How many customers are called {marker}?",
    "What is the city of the customer named {marker}?",
    "Show the price of the product {marker}.",
    "List the orders with status {marker}.",
)
MARKER = re.compile(r"zx\d+q\d+", re.IGNORECASE)


@dataclass
class Seen:
    """What the clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Answers with another's marker."""
    without: int = 0
    """Answers in which the model wrote no marker, so that they say nothing."""
    failures: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="the model to serve (SmolLM2-135M-Instruct, untuned)")
    parser.add_argument("--database", type=Path, help="SQLite file (the sample database)")
    parser.add_argument("--clients", type=int, default=200, help="questions at a time (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="for 20 seconds")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    seconds = 20.0 if args.quick else args.seconds
    with tempfile.TemporaryDirectory() as folder:
        database = args.database or build_shop(Path(folder) / "shop.sqlite")
        config = Path(folder) / "config.ini"
        config.write_text(f"[database]\ndialect = sqlite\ndbname = {database.resolve()}\n", encoding="utf-8")
        figures = under_load(args.model or str(fetch_smollm2()), config, args.clients, seconds)
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    wrong = figures["answers_to_others"] or figures["errors"]
    return 1 if wrong else 0


@contextmanager
def started(model: str, config: Path, *flags: str) -> Iterator[tuple[str, psutil.Process]]:
    """The service's address and process, ready for questions, while the block runs."""
    words = [sys.executable, "-m", "app", "--model", model, "--enable-mschema", "--config", str(config), "--port", "0"]
    process = subprocess.Popen(
        [*words, *flags],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=config.parent,
    )
    try:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C stops." not in said:
            line = process.stdout.readline()
            if not line:
                raise SystemExit("the service did not start")
            said += line
        url = re.findall(r"page +(\S+/)\n", said)[0].replace("localhost", "127.0.0.1")
        while requests.get(f"{url}readyz", timeout=30).status_code != 200:
            time.sleep(0.2)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def under_load(model: str, config: Path, clients: int, seconds: float) -> dict[str, float]:
    """Start the service, ask, and report."""
    with started(model, config) as (url, server):
        ask(url, clients, min(10.0, seconds / 3))  # so that all that is made once is there
        time.sleep(2)
        before = server.memory_info().rss
        memory: list[int] = []
        ended = threading.Event()
        watching = threading.Thread(target=watch, args=(server, memory, ended))
        watching.start()
        seen = ask(url, clients, seconds)
        ended.set()
        watching.join()
        time.sleep(2)
        after = server.memory_info().rss
        return report(seen, clients, seconds, before, memory, after)


def ask(url: str, clients: int, seconds: float) -> Seen:
    """Ask from ``clients`` threads for ``seconds``; a client that is turned away asks again after a moment."""
    seen = Seen()
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=client, args=(url, number, end, seen)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def client(url: str, number: int, end: float, seen: Seen) -> None:
    session = requests.Session()
    count = 0
    while time.monotonic() < end:
        count += 1
        marker = f"Zx{number}q{count}"
        question = QUESTIONS[(number + count) % len(QUESTIONS)].format(marker=marker)
        start = time.monotonic()
        try:
            response = session.post(f"{url}text2sql", json={"question": question}, timeout=120)
        except requests.RequestException as error:
            with seen.lock:
                seen.failures[type(error).__name__] += 1
            continue
        with seen.lock:
            seen.statuses[response.status_code] += 1
            if response.status_code != 200:
                wait = min(2.0, float(response.headers.get("Retry-After", 1)))
            else:
                wait = 0.0
                seen.seconds.append(time.monotonic() - start)
                found = {mark.lower() for mark in MARKER.findall(response.json()["sql_query"])}
                if found - {marker.lower()}:
                    seen.others.append(f"{question} → {response.json()['sql_query']}")
                seen.without += not found
        time.sleep(wait)


def watch(server: psutil.Process, memory: list[int], ended: threading.Event) -> None:
    while not ended.wait(1.0):
        memory.append(server.memory_info().rss)


def report(seen: Seen, clients: int, seconds: float, before: int, memory: list[int], after: int) -> dict[str, float]:
    """Print what was seen; returns the figures."""
    answers = seen.statuses[200]
    turned_away = seen.statuses[503]
    errors = sum(seen.statuses.values()) - answers - turned_away + sum(seen.failures.values())
    times = sorted(seen.seconds) or [0.0]
    quarter = max(1, len(memory) // 4)
    # What a leak would raise: the last quarter of the time over the first.
    growth = statistics.mean(memory[-quarter:]) - statistics.mean(memory[:quarter])
    print(
        f"{clients} at a time for {seconds:g} s: {answers} answers ({answers / seconds:.1f}/s), {turned_away} turned "
        f"away (503), {errors} errors {dict(seen.failures) or ''}\n"
        f"answers to another's question: {len(seen.others)}; with no marker at all: {seen.without}\n"
        f"time of an answer: median {statistics.median(times):.2f} s, 95 % {times[len(times) * 95 // 100]:.2f} s\n"
        f"memory: {before / 2**20:.0f} MiB before, {max(memory) / 2**20:.0f} at most, {after / 2**20:.0f} after; "
        f"the last quarter {growth / 2**20:+.1f} MiB against the first\n"
        f"MiB in time: {' '.join(f'{one / 2**20:.0f}' for one in memory[:: max(1, len(memory) // 12)])}"
    )
    for other in seen.others[:5]:
        print(f"  {other}")
    return {
        "clients": clients,
        "seconds": seconds,
        "answers": answers,
        "answers_a_second": answers / seconds,
        "turned_away": turned_away,
        "errors": errors,
        "answers_to_others": len(seen.others),
        "answers_without_marker": seen.without,
        "median_seconds": statistics.median(times),
        "memory_before_mib": before / 2**20,
        "memory_most_mib": max(memory) / 2**20,
        "memory_after_mib": after / 2**20,
        "memory_growth_mib": growth / 2**20,
    }


if __name__ == "__main__":
    sys.exit(main())
