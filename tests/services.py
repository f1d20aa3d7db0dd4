"""The service over the farm's database, with a model whose answers are known (see ``farm.py``)."""

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import requests

from sqlfocus.inference.loading import load_engine
from sqlfocus.web.app import create_app
from sqlfocus.web.config import DatabaseSettings
from sqlfocus.web.live import Catalog, LiveDatabase
from sqlfocus.web.service import Service


def load(farm_folder, **options):
    """The farm's model as an engine, and its prompt template."""
    return load_engine(str(farm_folder / "adapter" / "tiny-llama-lora"), **options)


@contextmanager
def running(engine, template, databases=(), *, review_file, **options):
    """A service and its app; ``databases`` are pairs of a name and a URL."""
    live = [LiveDatabase(DatabaseSettings(name, str(url))) for name, url in databases]
    service = Service(engine, template, Catalog(live), **options)
    service.warm()
    try:
        yield service, create_app(service, review_file=review_file)
    finally:
        service.close()


@contextmanager
def process(farm_folder, folder, *words, environment=None):
    """A service in a process of its own, started in ``folder`` as a user starts it; gives its URL and the process."""
    shutil.copy(farm_folder / "farm.sqlite", folder)
    (folder / "config.ini").write_text(f"[database]\ndialect = sqlite\ndbname = {folder}/farm.sqlite\n")
    words += ("--model", str(farm_folder / "adapter" / "tiny-llama-lora"), "--port", "0")
    words += ("--enable-mschema", "--config", str(folder / "config.ini"))
    started = subprocess.Popen(
        [sys.executable, "-m", "app", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1", **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = ""
        while "Ctrl-C stops." not in said:
            line = started.stdout.readline()
            assert line, started.stderr.read()
            said += line
        (port,) = re.findall(r"page +http://localhost:(\d+)/\n", said)
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while requests.get(f"{url}/readyz", timeout=30).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield url, started
    finally:
        started.kill()
        started.communicate()
