import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "mschema.md"


def test_the_tests_that_the_page_names_are_there():
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text("utf-8")))
    there = {name for path in HERE.glob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))}
    assert len(named) > 15
    assert named <= there, named - there
