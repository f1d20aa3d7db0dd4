"""The process of one rung: it reads its job from stdin, measures one model, and writes a JSON file.

It is started by :func:`sqlfocus.evaluation.ladder.measure_ladder`; a person has no use for it.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import psutil
from tqdm import tqdm

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.preparation import percentiles
from sqlfocus.corpus.prompt import Prompt, PromptTemplate
from sqlfocus.errors import UserError, first_line
from sqlfocus.evaluation.evaluate import Tell, engine_predictor, evaluate
from sqlfocus.evaluation.ladder import FORMAT, UNWRITABLE, Measured, Rung, Task
from sqlfocus.evaluation.ladder_process import read_job, tell
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
    """Measure; return 0, 1 (not measured) or ``UNWRITABLE``, having told the parent why."""
    job, told = read_job()
    try:
        if "dequantize" in job:
            _dequantize(job["dequantize"])
            return 0
        measured = measure(Rung(**job["rung"]), Task.from_json(job["task"]))
    except UserError as error:
        tell(told, str(error))
        return 1
    except Exception as error:  # of whatever library: the other rungs go on
        tell(told, f"{first_line(error)} ({job['trace']} has more)")
        with suppress(UserError), atomic_write(Path(job["trace"])) as file:
            file.write(traceback.format_exc())
        return 1
    names = ("figures", "rows", "gold_failed", "mix", "ran", "date")
    result = {"format": FORMAT, "key": job["key"], "rung": job["rung"], "machine": job["key"]["machine"]}
    try:
        with atomic_write(Path(job["result"])) as file:
            json.dump(result | {name: getattr(measured, name) for name in names}, file, ensure_ascii=False)
    except UserError as error:
        tell(told, str(error))
        return UNWRITABLE
    return 0


def _dequantize(model: str) -> None:
    """Make the weights of a GGUF file ready for transformers, in a process whose memory is not measured."""
    from sqlfocus.models.loading import find_model

    find_model(model)


def measure(rung: Rung, task: Task) -> Measured:
    """Load a model, ask it all questions in batches, then some one by one.

    The figures, memory and size in bytes, times in seconds:

    - ``size``: the weights' files; of an adapter, its base's too; of a base in GGUF, the dequantized weights that run;
    - ``memory``: the most that the process held at a time, Python and libraries included; ``memory_engine``: how much
      more it held after the answers than before it loaded the model;
    - ``seconds``: all questions in batches, and ``answers_per_second``;
    - ``first_token`` and ``first_token_p95``: from a question to the first of its answer where the schema has been
      computed, the median and the 95th percentile; ``first_token_cold`` and ``first_token_cold_p95``: where it has not;
    - ``tokens_per_second``: after the first token, one token a pass: one question at a time, not held to a schema.

    Times of one question at a time are taken without drafts: the same questions were just answered, and a first pass
    that also checks a guessed answer is no first token's.

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
        *(engine, template, task.schemas.__getitem__),
        databases=task.databases,
        constrained=not task.free,
        max_new_tokens=task.max_new_tokens,
    )

    def timed(examples: Sequence[Example], tell: Tell) -> None:
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
        ran=_ran(engine),
        date=datetime.now().astimezone().isoformat(" ", "minutes"),
    )


def _ran(engine: LocalEngine) -> str:
    """What runs the network."""
    if isinstance(engine.network, LlamaCppNetwork):
        return f"llama.cpp on {'gpu' if engine.network.on_gpu else 'cpu'}"
    from sqlfocus.inference.transformers import TransformersEngine

    assert isinstance(engine, TransformersEngine)
    dtype = str(engine.model.dtype).removeprefix("torch.")
    return f"transformers on {engine.model.device.type} in {dtype}"


def _speeds(engine: LocalEngine, template: PromptTemplate, task: Task) -> dict[str, float]:
    """Times of a few questions, asked one by one, without drafts."""
    engine.scheduler.drafts = False
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
        "first_token_p95": percentiles(warm, (95,))[0],
        "first_token_cold": statistics.median(cold),
        "first_token_cold_p95": percentiles(cold, (95,))[0],
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
    (answer,) = engine.complete(
        [prompt], max_new_tokens=DECODED, on_text=lambda _place, _text: times.append(time.perf_counter())
    )
    return answer.tokens - 1, times[-1] - times[0]


def _forget(engine: LocalEngine) -> None:
    """Let go what was computed of schemas; what holds answers to them is kept."""
    if isinstance(engine.network, LlamaCppNetwork):
        engine.network.forget()
    else:
        engine.network.prefixes.clear()


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
        return weights_size(find_model(rung.model, hub=hub).folder)
    return weights_size(path) + weights_size(adapter_base(path, hub=hub)[1].folder)


def weights_size(folder: Path) -> int:
    """Bytes of the files that transformers or PEFT loads, whatever else lies in a model's folder."""
    from sqlfocus.models.gguf_size import weight_files

    for name in ("adapter_model.safetensors", "adapter_model.bin"):
        if (folder / name).is_file():
            return (folder / name).stat().st_size
    return sum(file.stat().st_size for file in weight_files(folder))
