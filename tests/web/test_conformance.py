"""What fits the OpenAPI document, and what does not, gets an answer that the document has: schemathesis tries it."""

import shutil

import pytest
from hypothesis import HealthCheck, assume, given, settings

import services

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed, as it takes Python 3.11")
from schemathesis.generation import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

EXAMPLES = 30
"""For each operation and each mode."""


@pytest.fixture(scope="module")
def document(farm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("conformance")
    shutil.copy(farm / "farm.sqlite", folder / "farm.sqlite")
    databases = [("farm", folder / "farm.sqlite")]
    options = {"review_file": folder / "review.jsonl", "max_new_tokens": 16}
    with services.running(*services.load(farm), databases, **options) as (_, app):
        yield schemathesis.openapi.from_wsgi("/openapi.json", app)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fits", "does-not-fit"])
def test_every_answer_is_in_the_document(document, mode):
    tried = []
    for found in document.get_all_operations():
        operation = found.ok()
        if mode == GenerationMode.NEGATIVE and not list(operation.body):
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def check(case):
            limits = ("max_tokens", "max_completion_tokens")
            body = case.body if isinstance(case.body, dict) else {}
            assume(not any(isinstance(body.get(name), int) and body[name] > 16 for name in limits))  # too slow
            # A text that is no SQL fits the document: what SQL is, JSON Schema cannot say.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        check()
        tried.append(operation.label)
    assert len(tried) == (13 if mode == GenerationMode.POSITIVE else 5)
