"""The page: one HTML file, its scripts and styles, and the three libraries that a browser needs.

Editor, table and chart are CodeMirror, AG Grid and ECharts, as ES modules that the package ``nicegui`` ships ready for
a browser. NiceGUI itself is never imported: its folder is looked up, and these three folders alone are served. So the
page works without a build and without a network.
"""

from __future__ import annotations

import importlib.util
import re
import secrets
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, abort, make_response, render_template, send_from_directory

from sqlfocus.errors import UserError

VENDOR = ("codemirror", "echart", "aggrid")
"""NiceGUI's elements whose bundles are served."""
_HASHED = re.compile(r"-[\w-]{8}\.js")  # a bundler's name for a part: it changes with the part
_YEAR = 365 * 24 * 3600

pages = Blueprint("pages", __name__, template_folder="templates", static_folder="static", static_url_path="/static")


@cache
def bundles() -> dict[str, Path]:
    """Where the three bundles lie.

    Raises:
        UserError: the package is not installed, or does not hold them.
    """
    found = importlib.util.find_spec("nicegui")
    folders = list(found.submodule_search_locations or ()) if found else []
    if not folders:
        raise UserError(
            "the page needs the package nicegui, which ships its editor, table and chart: pip install nicegui"
        )
    paths = {name: Path(folders[0]) / "elements" / name / "dist" for name in VENDOR}
    if missing := next((path for path in paths.values() if not (path / "index.js").is_file()), None):
        raise UserError(f"{missing}: there is no index.js; this nicegui is another than the page was made for (3.18)")
    return paths


@pages.get("/")
def index() -> Response:
    """The page.

    Its policy lets scripts come from here alone, none of them inline. CodeMirror and AG Grid write style sheets of
    their own into the page; they carry the page's nonce. Inline are attributes of style alone: where someone types over
    selected text in CodeMirror, Chromium's own editing makes such. AG Grid's icons are images in ``data:`` addresses.
    """
    bundles()  # a page that cannot load its editor is not worth showing: say so
    nonce = secrets.token_urlsafe(16)
    response = make_response(render_template("index.html", nonce=nonce))
    response.headers["Content-Security-Policy"] = "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'",
            "style-src-attr 'unsafe-inline'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    response.headers["Cache-Control"] = "no-store"  # a nonce is for one load
    return response


@pages.get("/static/vendor/<bundle>/<name>")
def vendor(bundle: str, name: str) -> Response:
    """A file of a bundle.

    A part whose name has its hash is kept for a year; the others are asked for each time, and answered with 304 where
    they are the same, so that a new NiceGUI's parts are never mixed with an old one's.
    """
    folder = bundles().get(bundle)
    if folder is None or not name.endswith(".js"):
        abort(404)
    response = send_from_directory(folder, name, mimetype="text/javascript")
    if _HASHED.search(name):
        response.cache_control.no_cache = None
        response.cache_control.public = True
        response.cache_control.max_age = _YEAR
        response.cache_control.immutable = True
    return response


@pages.after_request
def _shut(response: Response) -> Response:
    if response.status_code == 304:
        response.close()  # Werkzeug sends no body then, and forgets the file that it has opened for one
    return response
