"""What the extras of ``pyproject.toml`` bring: those that only answer bring nothing of the extra ``train``."""

from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from without_training import TRAIN

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
ANSWERING = ("gguf", "serve", "mcp", "mysql", "postgres")


def brought(extras):
    """The names of all packages that come with the extras, theirs and so on, by what is installed here."""
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    left = [Requirement(line) for line in project["dependencies"]]
    left += [Requirement(line) for extra in extras for line in project["optional-dependencies"][extra]]
    seen = set()
    while left:
        one = left.pop()
        for extra in (*one.extras, ""):
            if (one.name, extra) in seen:
                continue
            seen.add((one.name, extra))
            try:
                lines = requires(one.name) or []
            except PackageNotFoundError:
                pytest.skip(f"{one.name} is not installed, so what comes with it is not known")
            found = [Requirement(line) for line in lines]
            left += [other for other in found if other.marker is None or other.marker.evaluate({"extra": extra})]
    return {canonicalize_name(name) for name, _ in seen}


@pytest.mark.parametrize("extra", ANSWERING)
def test_an_extra_that_answers_brings_nothing_of_training(extra):
    assert brought([extra]) & {canonicalize_name(name) for name in TRAIN} == set()


def test_training_brings_what_it_is_said_to():
    assert {canonicalize_name(name) for name in TRAIN} <= brought(["train"])
