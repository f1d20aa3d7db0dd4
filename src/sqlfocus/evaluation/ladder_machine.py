"""The machine that a ladder is measured on, as far as speeds depend on it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from sqlfocus import __version__
from sqlfocus.inference.threads import threads

_LIBRARIES = ("llama-cpp-python", "torch", "transformers", "peft", "llguidance", "numpy")


def machine() -> dict[str, str]:
    """What the speeds depend on: processor, threads, memory, GPUs, system and versions."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": f"{psutil.cpu_count(logical=False) or psutil.cpu_count()} ({psutil.cpu_count()} threads)",
        "threads used": str(threads()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "GPUs": _gpus(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlfocus": __version__,
        **versions,
    }


def _processor() -> str:
    """The processor's name; Linux tells it in a file, others through Python."""
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", listed.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found.group(1).strip()
    return platform.processor() or platform.machine()


def _gpus() -> str:
    """NVIDIA's GPUs, and which of them are to be used, if told; asked of its tool, since PyTorch may not be here."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return "none of NVIDIA's"
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "; ".join(found) + ("" if chosen is None else f" (CUDA_VISIBLE_DEVICES={chosen})")
