"""The Flask app: API, page and OpenAI-compatible endpoints over one service."""

from __future__ import annotations

import time
from pathlib import Path

from flask import Flask, Response, g, request

from sqlfocus.web import problems
from sqlfocus.web.api import api
from sqlfocus.web.feedback import ReviewFile
from sqlfocus.web.metrics import Metrics
from sqlfocus.web.pages import pages
from sqlfocus.web.service import Service

MOST_BODY_BYTES = 4 << 20
REVIEW_FILE = Path("output/feedback.jsonl")


def create_app(service: Service, *, review_file: Path = REVIEW_FILE) -> Flask:
    """The app that serves ``service``; what people say of answers goes to ``review_file``."""
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

    @app.after_request
    def _count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        metrics.requests.labels(route, request.method, response.status_code).inc()
        metrics.seconds.labels(route).observe(time.perf_counter() - g.begun)
        return response

    return app
