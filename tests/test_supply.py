"""What is installed is what is pinned, what is pinned is what ``pyproject.toml`` asks for, what is built is whole."""

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
SHARED = ("Apache", "BSD", "MIT", "ISC", "PSF", "Python", "MPL", "Zope", "HPND", "Unlicense", "LGPL", "AFL", "CNRI")
"""Licences under which one may use a package without giving one's own work away; LGPL where it is a library."""


def blocks():
    """The lock's pins, each with its hashes."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for block in re.findall(r"^\w.*\n(?:    .*\n)*", text, re.MULTILINE):
        first, *hashes = (line.strip().removesuffix("\\").strip() for line in block.splitlines())
        yield Requirement(first), hashes


def pins(python=None):
    """Name and version of what the lock has for a Python on this platform; default: the one that runs."""
    environment = default_environment()
    if python:
        environment |= {"python_version": python, "python_full_version": f"{python}.1"}
    found = {}
    for requirement, _ in blocks():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in found, f"{name} is pinned twice for Python {python}"
            found[name] = next(iter(requirement.specifier)).version
    return found


def test_every_pin_has_hashes():
    for requirement, hashes in blocks():
        assert hashes, requirement
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes), requirement
        assert re.fullmatch(r"==[\w.+]+", str(requirement.specifier)), requirement


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_all_that_the_project_asks_for(python):
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    there = pins(python)
    environment = default_environment() | {"python_version": python, "python_full_version": f"{python}.1", "extra": ""}
    for text in [*project["dependencies"], *(line for extra in extras for line in extra)]:
        wanted = Requirement(text)
        name = canonicalize_name(wanted.name)
        if name in ("torch", project["name"]) or (wanted.marker and not wanted.marker.evaluate(environment)):
            continue
        assert wanted.specifier.contains(there[name], prereleases=True), f"{text}: pinned is {there[name]}"


def test_requirements_are_a_part_of_the_lock():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    users = [Requirement(line) for line in lines if not line.startswith("#")]
    locked = {(requirement.name, str(requirement.specifier)) for requirement, _ in blocks()}
    assert [one.name for one in users if (one.name, str(one.specifier)) not in locked] == ["torch"]


def test_what_is_installed_is_what_is_pinned():
    if not (ROOT / ".venv").is_dir() or Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("this is not the environment that make setup makes")
    there = {canonicalize_name(one.name): one.version for one in distributions()}
    assert {name: there.get(name) for name in pins()} == pins()


def test_the_bill_of_materials_has_what_is_pinned():
    bill = json.loads((ROOT / "sbom.cdx.json").read_text(encoding="utf-8"))
    named = {canonicalize_name(one["name"]): one for one in bill["components"]}
    # It is made on Linux with Python 3.11.
    linux = default_environment() | {"sys_platform": "linux", "python_version": "3.11", "python_full_version": "3.11.1"}
    for requirement, _ in blocks():
        name = canonicalize_name(requirement.name)
        if name != "setuptools" and (requirement.marker is None or requirement.marker.evaluate(linux)):
            assert f"=={named[name]['version']}" == str(requirement.specifier), name
    assert "torch" in named


def test_no_licence_is_unknown_or_takes_ones_own_work():
    table = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 100
    for name, _, licence, *_ in rows:
        assert any(one in licence for one in SHARED), f"{name}: {licence}"


def test_wheel_and_source_are_whole(tmp_path):
    if find_spec("setuptools") is None:  # to import it here would be too late for its distutils
        pytest.skip("setuptools is not installed")
    copy = tmp_path / "copy"
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if files.returncode:
        pytest.skip("not a git checkout")
    for name in files.stdout.splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    code = "from setuptools import build_meta as b; print(b.build_sdist('out')); print(b.build_wheel('out'))"
    subprocess.run([sys.executable, "-c", code], cwd=copy, check=True, capture_output=True, timeout=300)
    (wheel,) = (copy / "out").glob("*.whl")
    (source,) = (copy / "out").glob("*.tar.gz")
    code_files = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*") if path.is_file()}
    code_files = {name for name in code_files if "__pycache__" not in name and ".egg-info" not in name}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())
    assert packed == code_files
    with tarfile.open(source) as archive:
        inside = {name.partition("/src/")[2] for name in archive.getnames() if "/src/" in name}
    assert code_files <= inside
