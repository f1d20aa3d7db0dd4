import doctest
import importlib
import pkgutil

import pytest

import sqlfocus.schema

MODULES = [module.name for module in pkgutil.iter_modules(sqlfocus.schema.__path__, "sqlfocus.schema.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) >= 8
