"""Does a model answer the same wherever it runs?

    python benchmarks/same_answers.py --model FILE.gguf|FOLDER [--server URL …] [--node] [--float32]
        [--quick] [--json FILE]

Asks a model in this process, then the same questions of servers that `sqlfocus deploy` was written for
(`http://HOST:PORT/v1#NAME`), and with `--node` of node-llama-cpp's prebuilt llama.cpp (tests/install_servers.sh brings
it). All answers are greedy and free, since servers do not hold answers to a schema. Counts those that are the same, and
prompts of as many tokens. The questions are those on the sample database unless --data and --databases name others.

Rounding differs from program to program, and where two tokens are about as likely, answers part. With --float32 here
and there (`vllm serve --dtype float32`), where roundings are small, what still differs is no rounding.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlfocus.corpus.example import read_examples
from sqlfocus.corpus.prompt import DEFAULT_TEMPLATE, Prompt, PromptTemplate, template_named
from sqlfocus.evaluation.questions import schema_folder, schema_reader, spread
from sqlfocus.evaluation.report import layout
from sqlfocus.inference.engine import Engine
from sqlfocus.inference.loading import load_engine
from sqlfocus.inference.local import LocalEngine
from sqlfocus.inference.remote import RemoteEngine
from sqlfocus.models.named import max_values

ROOT = Path(__file__).resolve().parents[1]
NODE = ROOT / "tests/node"
Answers = list[tuple[str, int]]
"""Of each question the answer's text, and how many tokens the prompt had."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a fine-tuned model: GGUF file, merged model, adapter")
    parser.add_argument("--float32", action="store_true", help="compute in float32 here (a folder or adapter)")
    parser.add_argument("--server", nargs="+", default=[], metavar="URL", help="servers of the same model")
    parser.add_argument("--node", action="store_true", help="ask node-llama-cpp too (a GGUF file)")
    parser.add_argument("--data", type=Path, default=ROOT / "data/dev_data.jsonl", help="questions (%(default)s)")
    parser.add_argument("--databases", type=Path, default=ROOT / "data", help="their databases (%(default)s)")
    parser.add_argument("--schema_dir", type=Path, help="folder with the schema texts")
    parser.add_argument("--questions", type=int, default=20, help="(%(default)s)")
    parser.add_argument("--max_new_tokens", type=int, default=128, help="(%(default)s)")
    parser.add_argument("--quick", action="store_true", help="5 questions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    if not args.server and not args.node:
        parser.error("nothing to hold the answers against; name servers with --server, or pass --node")
    examples = spread(read_examples(args.data), 5 if args.quick else args.questions)
    engine, template = in_float32(args.model) if args.float32 else load_engine(args.model, batch_size=1)
    assert isinstance(engine, LocalEngine)
    schema_of = schema_reader(
        args.databases, schema_folder(args.data, args.schema_dir), max_values=max_values(args.model)
    )
    prompts = [
        template.prompt(schema=schema_of(one.db_id), question=one.question, evidence=one.evidence, dialect=one.dialect)
        for one in examples
    ]
    given = engine.complete(prompts, max_new_tokens=args.max_new_tokens)
    ours = [(one.text.strip(), one.prompt_tokens) for one in given]
    others = {url: ask_server(url, prompts, args.max_new_tokens) for url in args.server}
    if args.node:
        texts = [engine.tokenizer.chat(prompt.messages()) for prompt in prompts]
        others["node-llama-cpp"] = ask_node(args.model, texts, args.max_new_tokens)
    figures: dict[str, float] = {"questions": len(ours)}
    rows = []
    for name, theirs in others.items():
        same = [one[0] == other[0] for one, other in zip(ours, theirs, strict=True)]
        tokens = [one[1] == other[1] for one, other in zip(ours, theirs, strict=True)]
        figures |= {f"same_{name}": sum(same), f"same_tokens_{name}": sum(tokens)}
        rows.append([name, f"{sum(same)} of {len(same)}", f"{sum(tokens)} of {len(tokens)}"])
        for place in [place for place, equal in enumerate(same) if not equal]:
            print(f"{examples[place].question}\n  here   {ours[place][0]}\n  there  {theirs[place][0]}   ({name})")
    print(layout([Path(args.model).name, "same answers", "as many prompt tokens"], rows))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def in_float32(model: str) -> tuple[Engine, PromptTemplate]:
    """A model of transformers', its weights and what is computed in float32, where `load_engine` takes bfloat16."""
    import torch

    from sqlfocus.inference.transformers import TransformersEngine
    from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
    from sqlfocus.models.decoder import Decoder
    from sqlfocus.models.loading import load_model

    loaded, tokenizer, record = load_model(model, dtype=torch.float32)
    engine = TransformersEngine(Decoder(loaded), TransformersTokenizer(tokenizer), name=model, batch_size=1)
    return engine, template_named(record.prompt_template if record else DEFAULT_TEMPLATE)


def ask_server(url: str, prompts: Sequence[Prompt], most: int) -> Answers:
    """A server's answers, one after the other."""
    given = RemoteEngine(url, batch_size=1).complete(prompts, max_new_tokens=most)
    return [(one.text.strip(), one.prompt_tokens) for one in given]


def ask_node(model: str, texts: Sequence[str], most: int) -> Answers:
    """node-llama-cpp's answers to prompts as text."""
    if not (NODE / "node_modules").is_dir():
        sys.exit(f"{NODE}: node-llama-cpp is not there; tests/install_servers.sh installs it. Nothing is measured.")
    request = json.dumps({"prompts": list(texts), "most": most})
    command = ["node", str(NODE / "complete.mjs"), str(Path(model).resolve())]
    done = subprocess.run(command, input=request, capture_output=True, text=True, check=True)
    given = json.loads(done.stdout)
    return [(text.strip(), len(tokens)) for text, tokens in zip(given["texts"], given["tokens"], strict=True)]


if __name__ == "__main__":
    sys.exit(main())
