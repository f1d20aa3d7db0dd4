"""The Flask app: API, page and OpenAI-compatible endpoints over one service."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from sqlfocus.web import problems
from sqlfocus.web.api import api
from sqlfocus.web.feedback import ReviewFile
from sqlfocus.web.metrics import Metrics
from sqlfocus.web.pages import pages
from sqlfocus.web.problems import ProblemError
from sqlfocus.web.service import Service

MOST_BODY_BYTES = 16 << 20
REVIEW_FILE = Path("output/feedback.jsonl")


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


def create_app(service: Service, *, review_file: Path = REVIEW_FILE, hosts: Sequence[str] | None = None) -> Flask:
    """The app that serves ``service``; what people say of answers goes to ``review_file``.

    With ``hosts`` it is called by those names alone: a page on the web that has its own name lead here is refused.
    """
    app = Flask("sqlfocus", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BODY_BYTES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    metrics = Metrics(service.engine, service.gate)
    problems.register(app)
    app.register_blueprint(api(service, metrics, ReviewFile(review_file)).blueprint)
    app.register_blueprint(pages)

    @app.before_request
    def _begin() -> None:
        g.begun = time.perf_counter()
        if hosts is not None and _host(request.headers.get("Host", "")) not in hosts:
            raise ProblemError("bad-request", f"the service is called {', '.join(hosts)} here, by no other name")

    @app.after_request
    def _count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in METHODS else "other"  # as many labels as names would be too many
        metrics.requests.labels(route, method, response.status_code).inc()
        metrics.seconds.labels(route).observe(time.perf_counter() - g.begun)
        return response

    return app


def _host(header: str) -> str | None:
    """The name in a Host header, without a port."""
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None
