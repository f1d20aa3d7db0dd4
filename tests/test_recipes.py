"""The recipes call commands with flags that they take, once each, and say what is missing."""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
NAMES = sorted(path.name for path in RECIPES.glob("*-*.sh"))
RECORDER = """#!{python}
import json, pathlib, sys
words = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps(words) + "\\n")
made = {{"prepare": "data/train_data.jsonl", "finetune": "save-model/m-lora/adapter_config.json"}}
verb = words[2] if words[0] == "-m" else "finetune"
if verb in made:
    path = pathlib.Path({work!r}, made[verb])
    path.parent.mkdir(parents=True)
    path.touch()
if verb == "evaluate":
    pathlib.Path(words[words.index("--output") + 1]).touch()
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_prepares_trains_and_measures_once(name, tmp_path):
    log, work, python = tmp_path / "log", tmp_path / "work", tmp_path / "python"
    python.write_text(RECORDER.format(python=sys.executable, log=str(log), work=str(work)))
    python.chmod(0o755)
    for _ in range(2):  # the second time all is there
        command = ["sh", str(RECIPES / name), "base.gguf", "spider", str(work)]
        subprocess.run(command, check=True, env={"PYTHON": str(python), "PATH": "/usr/bin:/bin"})
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    verbs = []
    for words in calls:
        verb, rest = (words[2], words[3:]) if words[0] == "-m" else ("finetune", words[1:])
        verbs.append(verb)
        parser = argparse.ArgumentParser()
        if verb == "finetune":
            from transformers import HfArgumentParser

            from sqlfocus.training.arguments import FinetuneArguments

            parser = HfArgumentParser(FinetuneArguments)
        else:
            importlib.import_module(f"sqlfocus.commands.{verb}").add_arguments(parser)
        parser.parse_args(rest)
    assert verbs == ["prepare", "finetune", "evaluate", "evaluate"]


def test_without_a_model_a_recipe_says_so():
    done = subprocess.run(["sh", str(RECIPES / NAMES[0])], capture_output=True, text=True)
    assert done.returncode != 0 and "name the base model" in done.stderr
