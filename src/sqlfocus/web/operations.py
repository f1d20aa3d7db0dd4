"""Operations of the API: each is declared once, and from that come its route, its checks and its documentation."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from sqlfocus.web.problems import ProblemError, invalid

Body = TypeVar("Body", bound=BaseModel)
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """What the OpenAPI document says of a route."""

    method: str
    path: str
    summary: str
    body: type[BaseModel] | None
    answer: type[BaseModel] | None
    status: int
    problems: tuple[str, ...]
    media_types: tuple[str, ...]
    name: str
    needs_key: bool = True
    """Where the service has keys."""

    @property
    def is_counted(self) -> bool:
        """Whether it takes from what its key may do a minute."""
        return self.needs_key and self.method == "POST"


class Operations:
    """A blueprint that remembers its operations."""

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.all: list[Operation] = []

    def add(
        self,
        method: str,
        path: str,
        summary: str,
        *,
        body: type[BaseModel] | None = None,
        answer: type[BaseModel] | None = None,
        status: int = 200,
        problems: Sequence[str] = (),
        media_types: tuple[str, ...] = ("application/json",),
        needs_key: bool = True,
    ) -> Callable[[Function], Function]:
        """Declare the function below as an operation.

        It gets the parameters of its path and the ``body``, checked, and returns an ``answer``, which is written, or a
        response as it is. ``problems`` are the kinds of errors that are its own.
        """

        def declare(function: Function) -> Function:
            @functools.wraps(function)
            def view(**parameters: str) -> Response:
                if body is not None:
                    try:
                        parameters["body"] = read_body(body)  # type: ignore[assignment]
                    except ValidationError as error:
                        return invalid(error)
                given = function(**parameters)
                if isinstance(given, BaseModel):
                    return Response(given.model_dump_json(by_alias=True), status, mimetype="application/json")
                return given if isinstance(given, Response) else Response(status=status)

            route = path.replace("{", "<").replace("}", ">")
            self.blueprint.add_url_rule(route, function.__name__, view, methods=[method])
            own = (*(("bad-request", "invalid", "too-large", "unsupported-media-type") if body else ()), *problems)
            name = function.__name__
            self.all.append(
                Operation(method, path, summary, body, answer, status, own, media_types, name, needs_key=needs_key)
            )
            return function

        return declare


def read_body(model: type[Body]) -> Body:
    """The request's body.

    Raises:
        ProblemError: it is not JSON, or no object.
        ValidationError: it does not fit ``model``.
    """
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise ProblemError(
            "unsupported-media-type", "the body is to be JSON, with the header Content-Type: application/json"
        )
    try:
        data = request.get_data()
    except RequestEntityTooLarge:
        raise ProblemError("too-large", "the body is larger than the service takes") from None
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ProblemError("bad-request", f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ProblemError("bad-request", "the body is to be a JSON object")
    return model.model_validate(value)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
