"""Errors as RFC 9457 has them: one shape for all, ``application/problem+json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, current_app, jsonify
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from sqlfocus.web.gate import Full

MEDIA_TYPE = "application/problem+json"

TITLES = {
    "bad-request": (400, "The request cannot be read"),
    "invalid": (422, "The body does not fit"),
    "no-schema": (422, "There is no schema to answer from"),
    "bad-schema": (422, "The schema text cannot be read"),
    "sql-refused": (422, "The SQL may not run"),
    "sql-failed": (422, "The SQL does not run"),
    "sql-stopped": (422, "The SQL took too much and was stopped"),
    "prompt-too-long": (422, "The prompt is longer than the model reads"),
    "unauthorized": (401, "A key is needed"),
    "no-model": (404, "There is no such model"),
    "no-database": (404, "There is no such database"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "This cannot be done here"),
    "too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body is not JSON"),
    "rate-limited": (429, "Too many requests a minute"),
    "internal": (500, "Something is wrong with the service"),
    "queue-full": (503, "Too many questions at a time"),
    "database-unavailable": (503, "The database does not answer"),
    "model-unavailable": (503, "The model does not answer"),
    "feedback-unavailable": (503, "Feedback cannot be kept"),
    "not-ready": (503, "The service is not ready yet"),
}
"""The kinds of error: their status and title. docs/service.md says more of each."""
RETRY_SECONDS = 5
_BY_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "unsupported-media-type"}


class ProblemError(Exception):
    """An error that the caller is to hear of; ``kind`` is one of :data:`TITLES`."""

    def __init__(self, kind: str, detail: str, *, retry_after: int | None = None, errors: Any = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after
        self.errors = errors


def problem(
    kind: str, detail: str, *, status: int | None = None, retry_after: int | None = None, errors: Any = None
) -> Response:
    """The response that tells of an error, with its kind's status unless another is given."""
    usual, title = TITLES[kind]
    status = status or usual
    body: dict[str, Any] = {"type": f"/problems/{kind}", "title": title, "status": status, "detail": detail}
    if errors is not None:
        body["errors"] = errors
    response = jsonify(body)
    response.status_code = status
    response.mimetype = MEDIA_TYPE
    if status in (429, 503):
        response.headers["Retry-After"] = str(retry_after or RETRY_SECONDS)
    if kind == "unauthorized":
        response.headers["WWW-Authenticate"] = 'Bearer realm="sqlfocus"'
    return response


def invalid(error: ValidationError) -> Response:
    """The response to a body that does not fit its model."""
    found = [
        {"at": "/" + "/".join(map(str, one["loc"])), "wrong": one["msg"]}
        for one in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    detail = "; ".join(f"{one['at']}: {one['wrong']}" for one in found[:3])
    return problem("invalid", detail, errors=found)


def register(app: Flask) -> None:
    """Make all errors of an app problems."""

    @app.errorhandler(ProblemError)
    def _ours(error: ProblemError) -> Response:
        return problem(error.kind, error.detail, retry_after=error.retry_after, errors=error.errors)

    @app.errorhandler(Full)
    def _full(error: Full) -> Response:
        return problem("queue-full", f"{error}", retry_after=error.retry_after)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        kind = _BY_STATUS.get(status, "bad-request" if status < 500 else "internal")
        # A status of no kind's own, 416 say, stays.
        response = problem(kind, error.description or error.name, status=status)
        allowed: Mapping[str, str] = dict(error.get_headers())
        if "Allow" in allowed:
            response.headers["Allow"] = allowed["Allow"]
        return response

    @app.errorhandler(Exception)
    def _unforeseen(error: Exception) -> Response:
        current_app.logger.exception("an error that nobody foresaw", exc_info=error)
        return problem("internal", "an error that nobody foresaw; the service's log has it")
