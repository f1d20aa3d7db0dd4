"""Which parts of a schema text earn their tokens: models trained and asked without one of them.

    python benchmarks/schema_parts.py [--model MODEL] [--spider DIR] [--without types keys] [--quick] [--json FILE]

A model is fine-tuned on Spider's training questions, in one style of SQL, and asked questions on 20 databases of which
it saw none; and so is one whose prompts have no column types, or no keys (primary and foreign). Answers are held to the
whole schema in any case. Sample values have a flag of their own (``--max_values``).

    python benchmarks/schema_parts.py --as types finetune --model_name MODEL …

runs one verb of ``sqlfocus`` with that part left out of its prompts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlfocus import cli
from sqlfocus.corpus.example import read_examples, write_examples
from sqlfocus.corpus.prompt import Prompt, SchemaFirst
from sqlfocus.demo.small_model import fetch_smollm2
from sqlfocus.evaluation.paired import pair
from sqlfocus.evaluation.questions import spread
from sqlfocus.files import read_json_lines
from sqlfocus.schema.mschema import FOREIGN_KEYS

PARTS = ("types", "keys")
ROOT = Path(__file__).resolve().parents[1]
HELD_OUT = (
    *("activity_1", "aircraft", "climbing", "county_public_safety", "culture_company", "election_representative"),
    *("entertainment_awards", "flight_4", "gymnast", "inn_1", "insurance_and_eClaims", "insurance_policies", "loan_1"),
    *("products_gen_characteristics", "protein_institute", "railway", "ship_mission", "store_product"),
    *("storm_record", "wrestler"),
)
TRAINING = (
    *("--lr_scheduler_type", "cosine", "--warmup_steps", "0.05", "--lora_rank", "32", "--lora_alpha", "64"),
    *("--lora_dropout", "0", "--per_device_train_batch_size", "32", "--gradient_accumulation_steps", "1"),
    *("--prefixes_per_step", "2", "--row_length", "8192", "--max_seq_length", "8192", "--save_steps", "100000"),
    *("--tracking", "disabled"),
)
_TYPE = re.compile(r'^(\((?:"(?:[^"\\]|\\.)*"|[^:\n"][^:\n]*)):[^,)\n]*', re.MULTILINE)
_PRIMARY = re.compile(r", Primary Key(?=, Examples: \[|\),?$)", re.MULTILINE)


def left_out(schema: str, part: str) -> str:
    """A schema text without one of its :data:`PARTS`.

    >>> text = "[\\n(id:INTEGER, Primary Key),\\n(a:TEXT, Examples: [x: y])\\n]\\n【Foreign keys】\\nt.a=u.a"
    >>> left_out(text, "types").splitlines()[1:3]
    ['(id, Primary Key),', '(a, Examples: [x: y])']
    >>> left_out(text, "keys").splitlines()[1:]
    ['(id:INTEGER),', '(a:TEXT, Examples: [x: y])', ']']
    """
    if part == "types":
        return _TYPE.sub(r"\1", schema)
    return _PRIMARY.sub("", schema.split(f"\n{FOREIGN_KEYS}\n")[0])


def main() -> int:
    if sys.argv[1:2] == ["--as"]:
        if not set(sys.argv[2:3]) & set(PARTS):
            sys.exit(f"--as PART VERB …: a part is one of {', '.join(PARTS)}")
        return as_verb(sys.argv[2], sys.argv[3:])
    args = parse()
    if not (args.spider / "train_spider.json").is_file():
        print(f"{args.spider}: no train_spider.json there; name Spider's folder with --spider. Nothing is measured.")
        return 0
    print(
        f"Machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores. {args.model}, {args.rows} "
        f"training rows, {args.epochs} epochs at {args.learning_rate}; {args.questions} questions on other databases. "
        "Compared: whole schema texts, and without " + ", without ".join(args.without),
        flush=True,
    )
    right: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = args.output or Path(folder)
        lay_out(args, work)
        for part in ("whole", *args.without):
            right[part] = measured(args, work, part)
            gain = pair(right[part], right["whole"])
            low, high = gain.interval()
            print(
                f"{part:<8} EX {sum(right[part]) / len(right[part]):.3f} ({sum(right[part])}/{len(right[part])}), "
                f"{gain.difference:+.3f} ({low:+.3f} to {high:+.3f}) over whole",
                flush=True,
            )
    if args.json:
        figures: dict[str, float] = {f"ex_{part}": sum(found) / len(found) for part, found in right.items()}
        args.json.write_text(json.dumps(figures | {"questions": len(right["whole"])}, indent=1) + "\n")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="base model (SmolLM2-135M-Instruct)")
    parser.add_argument("--spider", type=Path, default=ROOT / "../shared/spider", help="Spider's folder")
    parser.add_argument("--without", nargs="+", choices=PARTS, default=PARTS, help="(both)")
    parser.add_argument("--rows", type=int, default=6045, help="to train on (%(default)s)")
    parser.add_argument("--questions", type=int, default=500, help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--learning_rate", default="2e-4", help="(%(default)s)")
    parser.add_argument("--max_values", type=int, default=3, help="sample values a column (%(default)s)")
    parser.add_argument("--output", type=Path, help="folder to keep files and answers in, and to go on from")
    parser.add_argument(
        "--quick", action="store_true", help="without types alone, 32 rows, 4 questions, answered freely"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    if args.quick:
        args.rows, args.questions, args.epochs, args.max_values, args.without = 32, 4, 1, 0, ["types"]
    args.model = args.model or str(fetch_smollm2())
    return args


def lay_out(args: argparse.Namespace, work: Path) -> None:
    """Training rows and questions, with the schema texts beside them."""
    if (work / "questions.jsonl").exists():
        return
    run("prepare", "spider", "--source", args.spider, "--output", work, "--max_values", args.max_values)
    rows = read_examples(work / "train_data.jsonl")
    fit = [row for row in rows if row.db_id not in HELD_OUT]
    held_out = [row for row in rows if row.db_id in HELD_OUT]
    write_examples(work / "fit.jsonl", spread(fit, args.rows), force=True)
    write_examples(work / "questions.jsonl", spread(held_out, args.questions), force=True)


def measured(args: argparse.Namespace, work: Path, part: str) -> list[bool]:
    """Train and ask a model, once; by question whether its answer is right."""
    answers = work / f"{part}.jsonl"
    if not answers.exists():
        saved = work / f"{part}-adapter"
        where = ["--output_dir", work / f"{part}-run", "--save_dir", saved]
        length = ["--num_train_epochs", args.epochs, "--learning_rate", args.learning_rate]
        train = ["--model_name", args.model, "--train_file", work / "fit.jsonl", *where, *length, *TRAINING]
        run("finetune", *train, part=part)
        asked = ["--data", work / "questions.jsonl", "--databases", args.spider / "database", "--output", answers]
        # A model that has hardly learnt goes back all the time where it is held to a schema.
        how = ["--batch_size", 32, "--max_new_tokens", 128, *(["--free"] if args.quick else [])]
        run("evaluate", "--model", next(saved.iterdir()), *asked, *how, part=part)
    return [row["verdict"] == "right" for _, row in read_json_lines(answers)]


def run(*words: object, part: str = "whole") -> None:
    """Run a verb, with a part left out of its prompts; where it fails, say what it said and stop."""
    leaving = [] if part == "whole" else [__file__, "--as", part]
    command = [sys.executable, *(leaving or ["-m", "sqlfocus"]), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


def as_verb(part: str, words: list[str]) -> int:
    """Run a verb in this process, its prompts without that part of the schema."""
    whole = SchemaFirst.prompt

    def prompt(self: SchemaFirst, *, schema: str, **others: Any) -> Prompt:
        return whole(self, schema=left_out(schema, part), **others)

    SchemaFirst.prompt = prompt  # type: ignore[method-assign]
    return cli.main(words)


if __name__ == "__main__":
    sys.exit(main())
