"""``/metrics``: what Prometheus reads of the service."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sqlfocus.inference.engine import Engine
from sqlfocus.web.gate import Gate
from sqlfocus.web.service import Given

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_NOW = frozenset({"prefixes", "prefix_bytes"})
"""Those of an engine's counters that go down as well as up."""


class Metrics:
    """Counts what the service does."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sqlfocus_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "sqlfocus_request_seconds", "Time of a request.", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self._phases = Histogram(
            "sqlfocus_phase_seconds",
            "Time of a part of answering.",
            ("phase",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._prompts = Counter(
            "sqlfocus_prompt_tokens",
            "Tokens of prompts, kept from earlier ones or computed.",
            ("how",),
            registry=self.registry,
        )
        self._answers = Counter(
            "sqlfocus_answers", "Answers by what became of them.", ("outcome",), registry=self.registry
        )
        self._repairs = Counter("sqlfocus_repairs", "Answers that went back to the model.", registry=self.registry)
        under_way = Gauge("sqlfocus_questions_under_way", "Questions that have a place.", registry=self.registry)
        under_way.set_function(lambda: gate.inside)
        refused = Gauge(
            "sqlfocus_questions_turned_away", "Questions for which there was no place.", registry=self.registry
        )
        refused.set_function(lambda: gate.refused)
        self.registry.register(_EngineCollector(engine))

    def answered(self, given: Given) -> None:
        """Count an answer."""
        trace = given.trace
        for phase, seconds in (
            ("queue", given.queue_seconds),
            ("schema", given.schema_seconds),
            ("model", trace.model_seconds - given.queue_seconds),
            ("run", given.run_seconds),
        ):
            self._phases.labels(phase).observe(max(0.0, seconds))
        cached = sum(one.cached_tokens for one in trace.completions)
        self._prompts.labels("kept").inc(cached)
        self._prompts.labels("computed").inc(sum(one.prompt_tokens for one in trace.completions) - cached)
        self._answers.labels("faulty" if trace.answer.fault else "valid").inc()
        self._repairs.inc(len(trace.attempts) - 1)

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self.registry)


class _EngineCollector(Collector):
    """The engine's own counters, read when they are asked for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        for name, value in self._engine.counters().items():
            family = GaugeMetricFamily if name in _NOW else CounterMetricFamily
            yield family(f"sqlfocus_engine_{name}", f"The engine's count of {name.replace('_', ' ')}.", value=value)
