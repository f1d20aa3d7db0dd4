"""The OpenAPI document, made from the operations and their messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from sqlfocus import __version__
from sqlfocus.web.messages import Problem
from sqlfocus.web.operations import Operation
from sqlfocus.web.problems import MEDIA_TYPE, TITLES

_REFERENCE = "#/components/schemas/{model}"
_PARAMETERS = {
    "name": "A connected database's name.",
    "id": "The name that the caller gave the call.",
}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    operations = list(operations)
    bodies = {one.body for one in operations if one.body}
    answers = {one.answer for one in operations if one.answer} | {Problem}
    ordered = sorted([(model, "validation") for model in bodies], key=_name)
    ordered += sorted([(model, "serialization") for model in answers], key=_name)
    references, schemas = models_json_schema(
        ordered,  # type: ignore[arg-type]
        ref_template=_REFERENCE,
    )
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sqlfocus",
            "version": __version__,
            "summary": "Text to SQL on databases of one's own.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "Where the service is started with --keys."}
            },
        },
    }


def _name(pair: tuple[type[BaseModel], str]) -> str:
    return pair[0].__name__


def _operation(one: Operation, references: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": one.name, "summary": one.summary, "responses": _responses(one, references)}
    if one.needs_key:
        found["security"] = [{}, {"key": []}]
    names = [part[1:-1] for part in one.path.split("/") if part.startswith("{")]
    if names:
        found["parameters"] = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": _PARAMETERS[name],
                "schema": {"type": "string"},
            }
            for name in names
        ]
    if one.body:
        schema = references[one.body, "validation"]
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _responses(one: Operation, references: dict[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if one.answer:
        content = {"application/json": {"schema": references[one.answer, "serialization"]}}
    if one.status != 204:
        content |= {other: {"schema": {"type": "string"}} for other in one.media_types if other not in content}
    responses: dict[str, Any] = {str(one.status): {"description": "Done.", **({"content": content} if content else {})}}
    by_status: dict[int, list[str]] = defaultdict(list)
    locked = ("unauthorized",) if one.needs_key else ()
    counted = ("rate-limited",) if one.is_counted else ()
    for kind in dict.fromkeys((*one.problems, *locked, *counted, "internal")):
        by_status[TITLES[kind][0]].append(kind)
    for status, kinds in sorted(by_status.items()):
        responses[str(status)] = {
            "description": "; ".join(f"{TITLES[kind][1]} (`{kind}`)" for kind in kinds),
            "content": {MEDIA_TYPE: {"schema": references[Problem, "serialization"]}},
            **({"headers": {"Retry-After": {"schema": {"type": "integer"}}}} if status in (429, 503) else {}),
        }
    return responses
