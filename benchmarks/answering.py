"""Answering's speed, validity and accuracy against the ways that people use, on the same model, questions and machine.

    python benchmarks/answering.py [--spider DIR] [--model MODEL] [--gguf FILE] [--quick] [--json FILE]

Against the original recipe of this project's name (transformers' ``generate`` on the whole prompt, each time) and
DB-GPT-Hub's evaluation (the same, one question after the other). Spider's dev questions, M-Schema prompts, greedy. Ours
is constrained to valid SQL, as it is by default; ``ex_free`` and ``valid_share_free`` are of the same engine left free.
Times are taken in turns, question by question; ratios are of medians. The model should be a fine-tuned one, whose
answers end by themselves.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch

from sqlfocus.corpus.example import Example, read_examples
from sqlfocus.corpus.prompt import Prompt, PromptTemplate
from sqlfocus.corpus.reply import extract_sql
from sqlfocus.demo.small_model import fetch_smollm2
from sqlfocus.evaluation.evaluate import database_file, engine_predictor, evaluate
from sqlfocus.evaluation.report import layout
from sqlfocus.evaluation.score import Evaluation
from sqlfocus.inference import llamacpp
from sqlfocus.inference.chat import end_token, read_prompt
from sqlfocus.inference.loading import load_engine
from sqlfocus.inference.local import LocalEngine
from sqlfocus.inference.transformers import TransformersEngine
from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
from sqlfocus.models.loading import load_model
from sqlfocus.models.named import max_values
from sqlfocus.schema.database import read_database
from sqlfocus.schema.mschema import Database

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 128
"""New tokens of an answer at most, in all ways."""


class Asked:
    """Spider's dev questions with the schemas of their databases."""

    def __init__(self, spider: Path, template: PromptTemplate, values: int, questions: int) -> None:
        from sqlfocus.cli import run_verb

        prepared = Path(tempfile.gettempdir()) / "sqlfocus-spider-prepared"
        if not (prepared / "dev_data.jsonl").is_file():
            run_verb("prepare", ["spider", "--source", str(spider), "--output", str(prepared), "--force"])
        found = [one for one in read_examples(prepared / "dev_data.jsonl") if one.db_id != "wta_1"]
        self.sixteen = [one for one in found if one.db_id == "student_transcripts_tracking"][:16]
        count = min(questions, len(found))
        self.examples: list[Example] = [found[place * len(found) // count] for place in range(count)]
        self.folder = spider / "database"
        self.template = template
        self.files = {name: database_file(self.folder, name) for name in {one.db_id for one in found}}
        self.databases: dict[str, Database] = {
            name: read_database(str(file), max_values=values) for name, file in self.files.items()
        }
        self.texts = {name: database.mschema() for name, database in self.databases.items()}

    def prompt(self, example: Example) -> Prompt:
        return self.template.prompt(schema=self.texts[example.db_id], question=example.question)

    def complete(self, engine: LocalEngine, examples: Sequence[Example], *, free: bool = False) -> list[str]:
        databases = [None if free else self.databases[one.db_id] for one in examples]
        prompts = [self.prompt(one) for one in examples]
        return [one.text for one in engine.complete(prompts, databases=databases, max_new_tokens=LONGEST)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spider", type=Path, default=ROOT / "../shared/spider", help="Spider's folder")
    parser.add_argument("--model", help="adapter, merged model or base (default: SmolLM2-135M-Instruct, untrained)")
    parser.add_argument("--gguf", type=Path, help="a GGUF file for llama.cpp (default: SmolLM2-135M-Instruct Q4_1)")
    parser.add_argument("--questions", type=int, default=972, help="for EX (%(default)s, all but wta_1's)")
    parser.add_argument("--timed", type=int, default=24, help="questions answered one by one (%(default)s)")
    parser.add_argument("--batch_size", type=int, default=32, help="in evaluate (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="16 questions, 3 of them one by one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    if not (args.spider / "train_spider.json").is_file():
        print(f"{args.spider}: no train_spider.json there; name Spider's folder with --spider. Nothing is measured.")
        return 0
    if args.quick:
        args.questions, args.timed = 16, 3
    name = args.model or str(fetch_smollm2())
    engine, template = load_engine(name, engine="transformers", batch_size=args.batch_size)
    assert isinstance(engine, TransformersEngine)
    asked = Asked(args.spider, template, max_values(name), args.questions)
    long = [one for one in asked.examples if read_prompt(engine.tokenizer, asked.prompt(one))[1] >= 600]
    timed = [long[place * len(long) // args.timed] for place in range(min(args.timed, len(long)))]
    tokens = [len(read_prompt(engine.tokenizer, asked.prompt(one))[0]) for one in timed]
    print(
        f"Machine: {platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB, {engine.model.device.type}, {engine.model.dtype}; torch "
        f"{torch.__version__}\nModel: {Path(name).name}. {len(asked.examples)} questions of Spider's dev, {len(timed)} "
        f"of them one by one, their prompts of {min(tokens)} to {max(tokens)} tokens ({statistics.mean(tokens):.0f} on "
        "average)",
        flush=True,
    )
    generating = Generating(name)
    figures = one_by_one(engine, generating, asked, timed)
    figures |= many(engine, generating, asked, args.timed)
    if llamacpp.available():
        figures |= with_llamacpp(args.gguf or fetch_smollm2(), asked, timed)
    else:
        print("llama-cpp-python is not installed: first_token_warm_vs_cold is not measured.")
    print()
    print(layout(["measure", "value"], [[name, f"{value:.4g}"] for name, value in figures.items()]))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


class Generating:
    """transformers' own way: the whole prompt, then a token a step."""

    def __init__(self, name: str) -> None:
        self.model, tokenizer, _ = load_model(name)
        self.tokenizer = TransformersTokenizer(tokenizer)
        self.end = end_token(self.tokenizer)

    def answer(self, prompt: Prompt) -> list[int]:
        ids = torch.tensor([read_prompt(self.tokenizer, prompt)[0]], device=self.model.device)
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=LONGEST,
                do_sample=False,
                eos_token_id=self.end,
                pad_token_id=self.end,
            )
        new: list[int] = output[0, ids.shape[1] :].tolist()
        return new


def one_by_one(
    engine: TransformersEngine, generating: Generating, asked: Asked, timed: list[Example]
) -> dict[str, float]:
    """One question at a time, the schema known: against ``generate``, and with and without drafts.

    A service makes drafts from its earlier answers. So ours answers all questions, database by database; its times are
    those of the ``timed`` ones. A new engine, which answers these alone, is timed too.
    """
    make = functools.partial(TransformersEngine, engine.model, engine.tokenizer, batch_size=1)
    plain, new, ours = make(name="without drafts", drafts=False), make(name="new"), make(name="ours")
    guided = Watched(ours)
    first = {one.db_id: one for one in reversed(asked.examples)}
    for each in (plain, new, ours):
        for one in first.values():
            each.prefill(asked.prompt(one), asked.databases[one.db_id])
    generating.answer(asked.prompt(timed[0]))  # to warm up
    times: dict[str, list[float]] = {"generate": [], "free": [], "plain": [], "new": [], "ours": []}
    lengths: list[int] = []
    same = 0
    for one in asked.examples:
        took, (fast,) = seconds(lambda one=one: asked.complete(ours, [one]))
        if one not in timed:
            continue
        times["ours"].append(took)
        took, tokens = seconds(lambda one=one: generating.answer(asked.prompt(one)))
        times["generate"].append(took)
        lengths.append(len(tokens))
        took, (free,) = seconds(lambda one=one: asked.complete(plain, [one], free=True))
        times["free"].append(took)
        same += free == engine.tokenizer.text(tokens)
        took, (slow,) = seconds(lambda one=one: asked.complete(plain, [one]))
        times["plain"].append(took)
        times["new"].append(seconds(lambda one=one: asked.complete(new, [one]))[0])
        if slow != fast:
            print(f"With drafts {fast!r}, without {slow!r}: in {engine.model.dtype} a pass of several tokens rounds")
    median = {name: statistics.median(found) for name, found in times.items()}
    print(
        f"One by one: generate {median['generate']:.3f} s for {statistics.mean(lengths):.0f} tokens; ours without "
        f"constraint and drafts {median['free']:.3f} s ({same} of {len(timed)} answers equal), without drafts "
        f"{median['plain']:.3f} s, new {median['new']:.3f} s ({per_step(new):.2f} tokens a step), ours "
        f"{median['ours']:.3f} s ({per_step(ours):.2f} tokens a step)",
        flush=True,
    )
    return {
        "answer_vs_generate": median["generate"] / median["ours"],
        "answer_vs_generate_new": median["generate"] / median["new"],
        "answer_vs_generate_without_drafts": median["generate"] / median["plain"],
        "answer_seconds": median["ours"],
        "generate_seconds": median["generate"],
        "tokens_per_step": per_step(ours),
        "tokens_per_step_new": per_step(new),
        "constraint_cost": guided.share(),
    }


def per_step(engine: LocalEngine) -> float:
    """Tokens that a pass gave."""
    return engine.scheduler.tokens / engine.scheduler.steps


class Watched:
    """How much of an engine's time goes to the constraint."""

    def __init__(self, engine: LocalEngine) -> None:
        from sqlfocus.inference.constraint.guide import Guide

        self.scheduler = engine.scheduler
        self.spent = {"guide": 0.0, "network": 0.0}
        self.within = ""  # what is being timed, so that what it calls is not timed again
        self.watch(engine.network, "forward", "network")
        for name in ("take", "search", "forced"):
            self.watch(Guide, name, "guide")

    def watch(self, owner: Any, name: str, part: str) -> None:
        plain = getattr(owner, name)

        def timed(*arguments: Any) -> Any:
            if self.within or self.scheduler._driving is False:
                return plain(*arguments)
            self.within = part
            took, result = seconds(lambda: plain(*arguments))
            self.within = ""
            self.spent[part] += took
            return result

        setattr(owner, name, timed)

    def share(self) -> float:
        """The constraint's seconds a token over the network's seconds a step."""
        step = self.spent["network"] / self.scheduler.steps
        return self.spent["guide"] / self.scheduler.tokens / step


def many(engine: TransformersEngine, generating: Generating, asked: Asked, sample: int) -> dict[str, float]:
    """Sixteen at once against one by one, and ``evaluate`` against ``generate``, with EX and validity.

    What ``generate`` takes for all is reckoned from ``sample`` questions, spread evenly over them.
    """
    figures: dict[str, float] = {}
    for name, drafts in (("batch16_vs_1", True), ("batch16_vs_1_without_drafts", False)):
        single, batch = sixteen_at_once(engine, asked, drafts=drafts)
        figures[name] = single / batch
        way = "with drafts" if drafts else "without drafts"
        print(f"{len(asked.sixteen)} questions {way}: one by one {single:.2f} s, at once {batch:.2f} s", flush=True)

    spread = asked.examples[:: max(1, len(asked.examples) // sample)]
    took, _ = seconds(lambda: [generating.answer(asked.prompt(one)) for one in spread])
    each = took / len(spread)
    print(f"generate, {len(spread)} questions spread over all: {each:.3f} s each", flush=True)
    found: dict[str, Evaluation] = {}
    for way in ("constrained", "free"):
        fresh = TransformersEngine(engine.model, engine.tokenizer, name=way, batch_size=engine.network.slots)
        predict = engine_predictor(
            *(fresh, asked.template, asked.texts.__getitem__), constrained=way == "constrained", max_new_tokens=LONGEST
        )
        took, found[way] = seconds(lambda predict=predict: evaluate(asked.examples, asked.folder, predict))
        score = found[way].score
        low, high = score.interval
        figures |= {f"ex_{way}": score.ex, f"ex_{way}_low": low, f"ex_{way}_high": high}
        valid = [is_valid(one.answer.completion, asked.files[one.example.db_id]) for one in found[way].predictions]
        figures["valid_share" + ("_free" if way == "free" else "")] = statistics.mean(valid)
        if way == "constrained":
            figures["evaluate_seconds"] = took
            figures["evaluate_vs_one_by_one"] = each * len(asked.examples) / took
            figures["evaluate_tokens_per_step"] = per_step(fresh)
        print(
            f"evaluate, {way}: {took:.0f} s, EX {score.ex:.3f} ({low:.3f}–{high:.3f}) of {score.questions}, "
            f"{100 * statistics.mean(valid):.1f} % valid",
            flush=True,
        )
    figures |= gain(found["constrained"], found["free"])
    figures["questions"] = len(asked.examples)
    return figures


def sixteen_at_once(engine: TransformersEngine, asked: Asked, *, drafts: bool) -> tuple[float, float]:
    """Seconds for sixteen questions one by one, and at once, on new engines that are ready for the database."""
    questions = asked.sixteen
    make = functools.partial(TransformersEngine, engine.model, engine.tokenizer, drafts=drafts)
    alone, together = make(name="one by one", batch_size=1), make(name="at once", batch_size=16)
    for each in (alone, together):
        each.prefill(asked.prompt(questions[0]), asked.databases[questions[0].db_id])
    single, _ = seconds(lambda: [asked.complete(alone, [one]) for one in questions])
    batch, _ = seconds(lambda: asked.complete(together, questions))
    return single, batch


def gain(constrained: Evaluation, free: Evaluation) -> dict[str, float]:
    """By how much EX is higher with the constraint, with a 95 % interval of the paired difference."""
    right = [
        (one.verdict.value == "right") - (two.verdict.value == "right")
        for one, two in zip(constrained.predictions, free.predictions, strict=True)
    ]
    mean = statistics.mean(right)
    margin = 1.96 * statistics.pstdev(right) / math.sqrt(len(right))
    return {"ex_gain": mean, "ex_gain_low": mean - margin, "ex_gain_high": mean + margin}


def is_valid(completion: str, file: Path) -> bool:
    """Whether SQLite compiles the SQL on its database: it parses, and names only what exists."""
    sql = extract_sql(completion)
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        connection.execute(f"EXPLAIN {sql}")
    except (sqlite3.Error, sqlite3.Warning):
        return False
    finally:
        connection.close()
    return bool(sql)


def with_llamacpp(path: Path, asked: Asked, timed: list[Example]) -> dict[str, float]:
    """Quantized: the first token with the schema's state kept and without, and one answer."""
    engine = llamacpp.llamacpp_engine(path, batch_size=1)
    network = engine.network
    assert isinstance(network, llamacpp.LlamaCppNetwork)
    cold, warm, answers = [], [], []
    for one in timed:
        prompt, database = [asked.prompt(one)], [asked.databases[one.db_id]]
        network.forget()
        cold.append(seconds(lambda: engine.complete(prompt, databases=database, max_new_tokens=1))[0])  # noqa: B023
        warm.append(seconds(lambda: engine.complete(prompt, databases=database, max_new_tokens=1))[0])  # noqa: B023
        answers.append(seconds(lambda: engine.complete(prompt, databases=database, max_new_tokens=LONGEST))[0])  # noqa: B023
    print(
        f"llama.cpp, {path.name}: first token cold {statistics.median(cold):.3f} s, warm {statistics.median(warm):.3f} "
        f"s; an answer {statistics.median(answers):.3f} s",
        flush=True,
    )
    return {
        "first_token_warm_vs_cold": statistics.median(cold) / statistics.median(warm),
        "llamacpp_first_token_seconds": statistics.median(warm),
        "llamacpp_answer_seconds": statistics.median(answers),
        "llamacpp_tokens_per_step": per_step(engine),
    }


if __name__ == "__main__":
    sys.exit(main())
