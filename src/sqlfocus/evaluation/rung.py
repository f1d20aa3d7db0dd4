"""The process of one rung: it reads its job from stdin, measures one model, and writes a JSON file.

It is started by :func:`sqlfocus.evaluation.ladder.measure_ladder`; a person has no use for it.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.prompt import Prompt, PromptTemplate
from sqlfocus.errors import UserError, first_line
from sqlfocus.evaluation.evaluate import engine_predictor, evaluate
from sqlfocus.evaluation.ladder import FORMAT, Measured, Rung, Task
from sqlfocus.evaluation.questions import spread
from sqlfocus.files import atomic_write
from sqlfocus.inference.llamacpp import LlamaCppNetwork
from sqlfocus.inference.loading import load_engine
from sqlfocus.inference.local import LocalEngine
from sqlfocus.models.gguf_file import read_gguf
from sqlfocus.schema.mschema import Database
from sqlfocus.schema.text import read_schema_text

TIMED = 12
"""How many questions are asked one by one for the speeds."""
DECODED = 64
"""The longest answer of those."""


def main() -> int:
    """Measure; return 0, 1 (not measured; the file says why) or 130 (Ctrl-C)."""
    job = json.load(sys.stdin.buffer)
    path = Path(job["result"])
    result: dict[str, Any] = {"format": FORMAT, "key": job["key"], "rung": job["rung"]}
    try:
        measured = measure(Rung(**job["rung"]), Task.from_json(job["task"]))
        names = ("figures", "rows", "gold_failed", "mix", "date")
        result |= {name: getattr(measured, name) for name in names} | {"machine": job["key"]["machine"]}
    except KeyboardInterrupt:
        return 130
    except UserError as error:
        result["error"] = str(error)
    except Exception as error:  # of whatever library: the other rungs go on
        trace = path.with_suffix(".error.txt")
        trace.write_text(traceback.format_exc(), encoding="utf-8")
        result["error"] = f"{first_line(error)} ({trace} has more)"
    with atomic_write(path) as file:
        json.dump(result, file, ensure_ascii=False)
    return 1 if "error" in result else 0


def measure(rung: Rung, task: Task) -> Measured:
    """Load a model, ask it all questions in batches, then some one by one.

    The figures, memory and size in bytes, times in seconds:

    - ``size``: the weights' files; of an adapter, its base's too; of a base in GGUF, the dequantized weights that run;
    - ``memory``: the most that the process held at a time, Python and libraries included; ``memory_engine``: how much
      more it held after the answers than before it loaded the model;
    - ``seconds``: all questions in batches, and ``answers_per_second``;
    - ``first_token`` and ``first_token_p95``: from a question to the first of its answer where the schema has been
      computed, the median and the 95th percentile; ``first_token_cold`` and ``first_token_cold_p95``: where it has not;
    - ``tokens_per_second``: after the first token, one token a pass: one question at a time, no drafts, not held to a
      schema.

    Raises:
        UserError: the model cannot be loaded or asked.
    """
    process = psutil.Process()
    before = process.memory_info().rss
    engine, template = load_engine(
        rung.model,
        engine="llamacpp" if rung.kind == "gguf" else "transformers",
        prompt_template=task.prompt_template,
        hub=task.hub,
        batch_size=task.batch_size,
    )
    assert isinstance(engine, LocalEngine)
    seconds = 0.0
    ask = engine_predictor(
        engine, template, task.schemas.__getitem__, constrained=not task.free, max_new_tokens=task.max_new_tokens
    )

    def timed(examples: Sequence[Example], tell: Callable[[int, Sequence[str]], None]) -> None:
        nonlocal seconds
        start = time.perf_counter()
        ask(examples, tell)
        seconds = time.perf_counter() - start

    with tqdm(total=len(task.examples), desc=rung.name, unit="question", file=sys.stderr) as bar:
        evaluation = evaluate(
            *(task.examples, task.databases, timed),
            model=rung.name,
            rule=task.rule,
            on_judged=lambda predictions: bar.update(len(predictions)),
        )
    figures = {"seconds": seconds, "answers_per_second": len(task.examples) / seconds}
    figures["memory_engine"] = float(max(0, process.memory_info().rss - before))
    figures |= _speeds(engine, template, task)
    figures |= {"memory": float(_peak_memory(process)), "size": float(_size(rung, task.hub))}
    return Measured(
        rung,
        figures,
        [prediction.to_json() for prediction in evaluation.predictions],
        len(evaluation.gold_failed),
        read_gguf(Path(rung.model).expanduser()).mix if rung.kind == "gguf" else {},
        date=datetime.now().astimezone().isoformat(" ", "minutes"),
    )


def _speeds(engine: LocalEngine, template: PromptTemplate, task: Task) -> dict[str, float]:
    """Times of a few questions, asked one by one."""
    asked: list[tuple[Prompt, Database | None]] = []
    for example in spread(task.examples, TIMED):
        schema = task.schemas[example.db_id]
        prompt = template.prompt(
            schema=schema, question=example.question, evidence=example.evidence, dialect=example.dialect
        )
        asked.append((prompt, None if task.free else read_schema_text(schema, dialect=example.dialect)))
        engine.prefill(*asked[-1])  # what holds answers to a schema is made once, here
    warm, cold = [], []
    tokens, seconds = 0, 0.0
    for prompt, database in asked:
        _forget(engine)
        cold.append(_first_token(engine, prompt, database, task.max_new_tokens))
        warm.append(_first_token(engine, prompt, database, task.max_new_tokens))
        more, longer = _decode(engine, prompt)
        tokens, seconds = tokens + more, seconds + longer
    return {
        "first_token": statistics.median(warm),
        "first_token_p95": percentile(warm, 95),
        "first_token_cold": statistics.median(cold),
        "first_token_cold_p95": percentile(cold, 95),
        "tokens_per_second": tokens / seconds if seconds else 0.0,
    }


def _first_token(engine: LocalEngine, prompt: Prompt, database: Database | None, most: int) -> float:
    """Seconds from the question to the first text of its answer, which is then given up."""
    times: list[float] = []
    stop = threading.Event()

    def seen(_place: int, _text: str) -> None:
        times.append(time.perf_counter())
        stop.set()

    start = time.perf_counter()
    engine.complete([prompt], max_new_tokens=most, databases=[database], on_text=seen, stop=stop)
    return times[0] - start


def _decode(engine: LocalEngine, prompt: Prompt) -> tuple[int, float]:
    """How many tokens an answer has after its first, and in how many seconds they came."""
    times: list[float] = []
    engine.scheduler.drafts = False
    (answer,) = engine.complete(
        [prompt], max_new_tokens=DECODED, on_text=lambda _place, _text: times.append(time.perf_counter())
    )
    engine.scheduler.drafts = True
    return answer.tokens - 1, times[-1] - times[0]


def _forget(engine: LocalEngine) -> None:
    """Let go what was computed of schemas; what holds answers to them is kept."""
    if isinstance(engine.network, LlamaCppNetwork):
        engine.network.forget()
    else:
        engine.network.prefixes.clear()


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` percent of all do not exceed.

    >>> percentile([3, 1, 2, 4], 50), percentile([3, 1, 2, 4], 95)
    (2, 4)
    """
    return sorted(values)[max(1, math.ceil(len(values) * share / 100)) - 1]


def _peak_memory(process: psutil.Process) -> int:
    """The most bytes that this process has held in memory.

    Linux tells the process's own; ``getrusage`` would count what the process that started it held.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = [one for one in status.read_text(encoding="utf-8").splitlines() if one.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    info = process.memory_info()
    if hasattr(info, "peak_wset"):  # Windows
        return int(info.peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def _size(rung: Rung, hub: str) -> int:
    """Bytes of the files with a rung's weights."""
    path = Path(rung.model).expanduser()
    if rung.kind == "gguf":
        return path.stat().st_size
    from sqlfocus.models.loading import adapter_base, find_model, is_adapter

    if not is_adapter(rung.model):
        return _weights(find_model(rung.model, hub=hub).folder)
    return _weights(path) + _weights(adapter_base(path, hub=hub)[1].folder)


def _weights(folder: Path) -> int:
    return sum(file.stat().st_size for pattern in ("*.safetensors", "*.bin") for file in folder.glob(pattern))


if __name__ == "__main__":
    sys.exit(main())
