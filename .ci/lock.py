"""Pin what the project is tested with: ``requirements.txt``, and with hashes ``requirements.lock``.

    python .ci/lock.py [--upgrade]

Versions stay as they are in the lock, but for what ``pyproject.toml`` no longer allows; ``--upgrade`` takes the newest.
Both files hold for each Python and platform of ``PYTHONS`` and ``PLATFORMS``. PyTorch is not in the lock: which of its
builds a machine needs is not for a file to say, and each has hashes of its own.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tomllib
from packaging.markers import Marker
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LOCK, PINS = ROOT / "requirements.lock", ROOT / "requirements.txt"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PLATFORMS = {"linux": ("x86_64", "aarch64"), "darwin": ("arm64",), "win32": ("AMD64",)}
USERS = ("train", "mysql", "postgres", "dashboard", "serve", "mcp")
"""The extras whose packages ``requirements.txt`` has."""
TORCH = "torch==2.13.0"
TORCH_NEEDS = ("filelock", "fsspec", "Jinja2", "networkx", "setuptools", "sympy", "typing-extensions")
LOCK_HEAD = """\
# Everything that runs, tests and checks the project, but for PyTorch; made by .ci/lock.py.
#   pip install --require-hashes --no-deps -r requirements.lock
"""
PINS_HEAD = """\
# What sql-focus-finetune[{extras}] was tested with; made by .ci/lock.py.
# `pip install -r requirements.txt` gives exactly these. On a machine with an NVIDIA GPU, install the torch build for it
# first.
"""


@dataclass(frozen=True)
class Pin:
    """One version of a package, for the Pythons and platforms of its marker."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml allows")
    args = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    users = resolved(project, USERS, upgrade=args.upgrade)
    every = resolved(project, (*USERS, "gguf", "dev"), upgrade=args.upgrade)
    lines = (f"{pin} \\\n    " + " \\\n    ".join(pin.hashes) for pin in every)
    LOCK.write_text(LOCK_HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    pins = sorted([*map(str, users), TORCH], key=str.lower)
    PINS.write_text(PINS_HEAD.format(extras=",".join(USERS)) + "\n".join(pins) + "\n", encoding="utf-8")
    print(f"{LOCK.name}: {len(every)} pins; {PINS.name}: {len(pins)}")
    return 0


def wanted(project: dict, extras: tuple[str, ...]) -> Iterator[str]:
    """What the project needs with these extras; extras of its own stand for their packages."""
    texts = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    for text in texts:
        if Requirement(text).name not in (project["name"], "torch"):
            yield text


def resolved(project: dict, extras: tuple[str, ...], *, upgrade: bool) -> list[Pin]:
    """One set of versions for all Pythons and platforms."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "wanted.in").write_text("\n".join([*wanted(project, extras), *TORCH_NEEDS]) + "\n")
        (folder / "without.txt").write_text("torch ; sys_platform == 'none'\n")
        environments = [f"'{condition(system, machine)}'" for system in PLATFORMS for machine in PLATFORMS[system]]
        (folder / "pyproject.toml").write_text(f"[tool.uv]\nenvironments = [{', '.join(environments)}]\n")
        if LOCK.exists() and not upgrade:
            shutil.copy(LOCK, folder / "lock")
        words = ["pip", "compile", "wanted.in", "--universal", "--python-version", PYTHONS[0], "--generate-hashes"]
        words += ["--override", "without.txt", "--no-annotate", "--no-header", "--no-emit-index-url"]
        words += ["--quiet", "--output-file", "lock"]
        subprocess.run([uv, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return list(read((folder / "lock").read_text(encoding="utf-8")))


def condition(system: str, machine: str) -> str:
    """The marker of a platform."""
    python = 'implementation_name == "cpython" and platform_python_implementation == "CPython"'
    before = f"3.{int(PYTHONS[-1].partition('.')[2]) + 1}"
    platform = f'sys_platform == "{system}" and platform_machine == "{machine}"'
    return f'{python} and python_version < "{before}" and {platform}'


def read(text: str) -> Iterator[Pin]:
    """The pins of a requirements file, with short markers."""
    for block in re.findall(r"^\S.*\n(?:    .*\n)*", text, re.MULTILINE):
        first, *hashes = (line.strip().removesuffix("\\").strip() for line in block.splitlines())
        requirement = Requirement(first)
        (version,) = requirement.specifier
        yield Pin(requirement.name, version.version, short(requirement.marker), tuple(hashes))


def short(marker: Marker | None) -> str:
    """What a marker says of the Pythons and platforms that there are."""
    if marker is None:
        return ""
    names = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
    where = [
        (python, system, machine)
        for python in PYTHONS
        for system, machines in PLATFORMS.items()
        for machine in machines
        if marker.evaluate(
            {
                "python_version": python,
                "python_full_version": f"{python}.1",
                "sys_platform": system,
                "platform_machine": machine,
                "platform_system": names[system],
                "os_name": "nt" if system == "win32" else "posix",
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
            }
        )
    ]
    pythons = [python for python in PYTHONS if any(one[0] == python for one in where)]
    systems = [system for system in PLATFORMS if any(one[1] == system for one in where)]
    if len(where) != len(pythons) * sum(len(PLATFORMS[system]) for system in systems):
        return str(marker)
    parts = []
    if pythons[0] != PYTHONS[0]:
        parts.append(f'python_version >= "{pythons[0]}"')
    if pythons[-1] != PYTHONS[-1]:
        parts.append(f'python_version < "{PYTHONS[PYTHONS.index(pythons[-1]) + 1]}"')
    if len(systems) == 1:
        parts.append(f'sys_platform == "{systems[0]}"')
    elif len(systems) < len(PLATFORMS):
        parts += [f'sys_platform != "{system}"' for system in PLATFORMS if system not in systems]
    return " and ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
