"""The JSON API: questions, queries, databases, feedback, and how the service is."""

from __future__ import annotations

import sys
from typing import Any

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from sqlfocus.errors import UserError
from sqlfocus.schema.mschema import Table
from sqlfocus.web import messages
from sqlfocus.web.cells import cell, columns_of
from sqlfocus.web.chart import chart_for
from sqlfocus.web.chat import add_chat
from sqlfocus.web.feedback import ReviewFile
from sqlfocus.web.live import LiveDatabase
from sqlfocus.web.metrics import Metrics
from sqlfocus.web.openapi import document
from sqlfocus.web.operations import Operations
from sqlfocus.web.problems import ProblemError
from sqlfocus.web.queries import Executed
from sqlfocus.web.service import Given, Service

_MODEL_PROBLEMS = ("no-database", "prompt-too-long", "sql-stopped", "queue-full", "model-unavailable")


def api(service: Service, metrics: Metrics, review: ReviewFile) -> Operations:
    """The API's operations, on a blueprint to be registered."""
    operations = Operations(Blueprint("api", __name__))

    @operations.add(
        *("POST", "/text2sql", "Answer a question with SQL, which is not run."),
        body=messages.Text2SqlRequest,
        answer=messages.Answered,
        problems=("no-schema", "bad-schema", *_MODEL_PROBLEMS),
    )
    def text2sql(body: messages.Text2SqlRequest) -> messages.Answered:
        given = service.text2sql(
            body.question,
            schema_text=body.db_schema,
            evidence=body.evidence,
            dialect=body.dialect,
            database=body.database,
            name=body.id,
        )
        metrics.answered(given)
        return messages.Answered(**_answered(given, service.model))

    @operations.add(
        *("POST", "/ask", "Answer a question on a connected database with SQL and its rows."),
        body=messages.AskRequest,
        answer=messages.Asked,
        problems=(*_MODEL_PROBLEMS, "database-unavailable"),
    )
    def ask(body: messages.AskRequest) -> messages.Asked:
        given = service.ask(body.question, evidence=body.evidence, database=body.database, name=body.id)
        metrics.answered(given)
        answer = given.trace.answer
        assert given.database is not None
        ran = answer.result is not None and not answer.result.error
        return messages.Asked(
            **_answered(given, service.model),
            result=_executed(Executed(answer.permit.sql, answer.permit.tables, answer.result), given.database.name)
            if ran and answer.result is not None
            else None,
            error="" if ran else answer.fault,
        )

    @operations.add(
        *("POST", "/execute", "Run a query on a connected database, within limits and reading only."),
        body=messages.ExecuteRequest,
        answer=messages.Executed,
        problems=("no-database", "sql-refused", "sql-failed", "sql-stopped", "queue-full", "database-unavailable"),
    )
    def execute(body: messages.ExecuteRequest) -> messages.Executed:
        executed = service.execute(body.sql, database=body.database, name=body.id)
        return _executed(executed, service.database(body.database).name)

    @operations.add(
        *("DELETE", "/executions/{id}", "Stop a question or a query that was asked with this id."),
        status=204,
        problems=("not-found",),
    )
    def stop(id: str) -> None:
        if not service.stop(id):
            raise ProblemError("not-found", f"no query with the id {id} is running")

    @operations.add("GET", "/databases", "The connected databases.", answer=messages.Databases)
    def databases() -> messages.Databases:
        return messages.Databases(databases=[messages.DatabaseInfo(**_info(one)) for one in service.catalog.all()])

    @operations.add(
        *("GET", "/databases/{name}/schema", "A database's schema."),
        answer=messages.SchemaInfo,
        problems=("no-database",),
    )
    def schema(name: str) -> messages.SchemaInfo:
        return messages.SchemaInfo(**_schema(service.database(name)))

    @operations.add(
        *("POST", "/databases/{name}/refresh", "Read a database's schema again."),
        answer=messages.Refreshed,
        problems=("no-database", "database-unavailable"),
    )
    def refresh(name: str) -> messages.Refreshed:
        database = service.database(name)
        try:
            changed = database.refresh()
        except UserError as error:
            raise ProblemError("database-unavailable", str(error)) from error
        return messages.Refreshed(**_schema(database), changed=changed)

    @operations.add(
        *("POST", "/feedback", "Keep what a person says of an answer, to be reviewed and learnt from."),
        body=messages.Feedback,
        answer=messages.Kept,
        status=201,
        problems=("no-database", "feedback-unavailable"),
    )
    def feedback(body: messages.Feedback) -> messages.Kept:
        database = service.database(body.database) if len(service.catalog) or body.database else None
        try:
            return messages.Kept(entries=review.add(body, database, service.model))
        except UserError as error:
            sys.stderr.write(f"{error}\n")
            raise ProblemError("feedback-unavailable", "feedback cannot be kept; the service's log says why") from error

    @operations.add("GET", "/healthz", "Whether the service runs.", media_types=("text/plain",), needs_key=False)
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    @operations.add(
        *("GET", "/readyz", "Whether the service is ready for questions."),
        media_types=("text/plain",),
        problems=("not-ready",),
        needs_key=False,
    )
    def readyz() -> Response:
        if not service.ready.is_set():
            raise ProblemError("not-ready", "the schemas of the databases go through the model; this ends by itself")
        return Response("ready\n", mimetype="text/plain")

    @operations.add("GET", "/metrics", "Counters, as Prometheus reads them.", media_types=("text/plain",))
    def metrics_() -> Response:
        return Response(metrics.text(), content_type=CONTENT_TYPE_LATEST)

    add_chat(operations, service)

    @operations.blueprint.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(document(operations.all))

    return operations


def _answered(given: Given, model: str) -> dict[str, Any]:
    """The fields of :class:`messages.Answered`."""
    trace, answer = given.trace, given.trace.answer
    prompt, cached, written = (
        sum(getattr(one, name) for one in trace.completions) for name in ("prompt_tokens", "cached_tokens", "tokens")
    )
    phases = {
        "queue": given.queue_seconds,
        "schema": given.schema_seconds,
        "model": trace.model_seconds - given.queue_seconds,
        "run": given.run_seconds,
        "total": given.total_seconds,
    }
    phases["check"] = phases["total"] - sum(phases[name] for name in ("queue", "schema", "model", "run"))
    return {
        "sql_query": answer.sql,
        "parses": answer.permit.parsed,
        "allowed": answer.permit.allowed,
        "reason": answer.permit.reason,
        "tables": list(answer.permit.tables),
        "dialect": given.dialect,
        "database": given.database.name if given.database else None,
        "model": model,
        "attempts": [
            messages.Attempt(sql_query=one.sql, error=one.fault or (trace.reason if one is not answer else ""))
            for one in trace.attempts
        ],
        "left_out": list(given.pick.left_out),
        "values": [
            messages.FoundValue(table=one.table, column=one.column, value=one.value) for one in given.pick.values
        ],
        "notes": given.notes,
        "tokens": messages.Tokens(prompt=prompt, cached=cached, evaluated=prompt - cached, completion=written),
        "milliseconds": {name: round(1000 * max(0.0, seconds), 1) for name, seconds in phases.items()},
    }


def _executed(executed: Executed, database: str) -> messages.Executed:
    result = executed.result
    rows = [[cell(value) for value in row] for row in result.rows]
    columns = columns_of(result.columns, result.rows)
    chart = chart_for(columns, rows)
    return messages.Executed(
        sql=executed.sql,
        database=database,
        columns=[messages.ResultColumn(name=name, kind=kind) for name, kind in columns],
        rows=rows,
        truncated=result.truncated,
        milliseconds=round(1000 * result.seconds, 1),
        tables=list(executed.tables),
        chart=messages.Chart(kind=chart.kind, x=chart.x, y=list(chart.y)) if chart else None,
    )


def _info(database: LiveDatabase) -> dict[str, Any]:
    known = database.known
    return {
        "name": database.name,
        "dialect": database.dialect,
        "tables": len(known.database.tables),
        "read_at": known.read_at.isoformat(),
        "linked": database.linked,
    }


def _schema(database: LiveDatabase) -> dict[str, Any]:
    known = database.known
    return {
        **_info(database),
        "schema": [_table(table) for table in known.database.tables],
        "mschema": known.text,
        "warnings": list(known.database.warnings),
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "schema": table.schema,
        "comment": table.comment,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "comment": column.comment,
                "primary_key": column.primary_key,
                "examples": list(column.examples),
            }
            for column in table.columns
        ],
        "foreign_keys": [
            {
                "columns": list(key.columns),
                "referenced_table": key.referenced_table,
                "referenced_columns": list(key.referenced_columns),
                "referenced_schema": key.referenced_schema,
            }
            for key in table.foreign_keys
        ],
    }
