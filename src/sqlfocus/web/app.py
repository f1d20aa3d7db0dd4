"""The Flask app: API, page and OpenAI-compatible endpoints over one service."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from flask_cors import CORS

from sqlfocus.web import problems
from sqlfocus.web.api import api
from sqlfocus.web.feedback import ReviewFile
from sqlfocus.web.keys import Keys
from sqlfocus.web.metrics import Metrics
from sqlfocus.web.pages import pages
from sqlfocus.web.problems import ProblemError
from sqlfocus.web.service import Service

MOST_BODY_BYTES = 16 << 20
REVIEW_FILE = Path("output/feedback.jsonl")


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
OPEN = frozenset({"api.openapi", "pages.index", "pages.static", "pages.vendor"})
"""What is served without a key, besides operations that need none: it has no data in it."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # a link to a question has the question in it
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # the page has its own
    "Cache-Control": "no-store",  # and so have files
}
"""Of each response that does not say otherwise."""


def create_app(
    service: Service,
    *,
    review_file: Path = REVIEW_FILE,
    hosts: Sequence[str] | None = None,
    keys: Keys | None = None,
    origins: Sequence[str] = (),
) -> Flask:
    """The app that serves ``service``; what people say of answers goes to ``review_file``.

    With ``hosts`` it is called by those names alone: a page on the web that has its own name lead here is refused. With
    ``keys`` all but the page and the probes needs one of them. Pages of ``origins`` alone, besides its own, may read
    its answers in a browser.
    """
    app = Flask("sqlfocus", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BODY_BYTES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    metrics = Metrics(service.engine, service.gate)
    problems.register(app)
    operations = api(service, metrics, ReviewFile(review_file))
    app.register_blueprint(operations.blueprint)
    app.register_blueprint(pages)
    opened = OPEN | {f"api.{one.name}" for one in operations.all if not one.needs_key}
    if origins:
        CORS(
            app,
            origins=list(origins),
            methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After"],
            max_age=600,
        )

    @app.before_request
    def _begin() -> None:
        g.begun = time.perf_counter()
        if hosts is not None and _host(request.headers.get("Host", "")) not in hosts:
            raise ProblemError("bad-request", f"the service is called {', '.join(hosts)} here, by no other name")
        # A browser asks by OPTIONS, without the key, whether it may send it.
        if keys is not None and request.method != "OPTIONS" and request.endpoint not in opened:
            _let_in(keys)

    @app.after_request
    def _count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in METHODS else "other"  # as many labels as names would be too many
        metrics.requests.labels(route, method, response.status_code).inc()
        metrics.seconds.labels(route).observe(time.perf_counter() - g.begun)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app


def _let_in(keys: Keys) -> None:
    """Let a request in that brings a key, as often as the key may be used.

    Raises:
        ProblemError: it brings none that is known, or too many have come with it.
    """
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    key = keys.owner(presented.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise ProblemError("unauthorized", "send a key of this service, as the header Authorization: Bearer KEY")
    if request.method == "POST" and key.allowance is not None and (seconds := key.allowance.take()):
        raise ProblemError(
            *("rate-limited", f"{key.name} may send {key.allowance.per_minute} requests a minute"), retry_after=seconds
        )


def _host(header: str) -> str | None:
    """The name in a Host header, without a port."""
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None
