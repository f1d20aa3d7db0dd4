"""The READMEs say what is so: their tables are the code's, their commands are taken, and both have the same ones."""

import argparse
import dataclasses
import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest

from sqlfocus.cli import VERBS, _underscored, main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
SERVICE = (ROOT / "docs/service.md").read_text(encoding="utf-8")


def blocks(text):
    return re.findall(r"```bash\n(.*?)```", text, re.DOTALL)


def commands(text):
    """The commands of all bash blocks, comments taken off."""
    for block in blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            for command in line.split("&&"):
                words = shlex.split(command, comments=True)
                if words:
                    yield words


def flag_table():
    from transformers import TrainingArguments

    from sqlfocus.training.arguments import FinetuneArguments

    theirs = {field.name: field for field in dataclasses.fields(TrainingArguments)}
    rows = []
    for field in dataclasses.fields(FinetuneArguments):
        if field.name in theirs and theirs[field.name].default == field.default:
            continue
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `--{field.name}` | {default} | {field.metadata['help']} |")
    return "\n".join(["| flag | default | |", "|---|---|---|", *sorted(rows)])


def command_table():
    return "\n".join(f"| `sqlfocus {verb}` | {what} |" for verb, what in VERBS.items())


@pytest.mark.parametrize("table", [flag_table, command_table])
def test_a_table_is_the_codes(table):
    assert table() in README, f"README.md should hold\n{table()}"


def test_every_flag_and_verb_stands_in_the_chinese_readme_too():
    for name in re.findall(r"^\| `(--\w+|sqlfocus \w+)`", README, re.MULTILINE):
        assert f"`{name}`" in CHINESE


def test_both_readmes_have_the_same_commands():
    assert list(commands(README)) == list(commands(CHINESE))


@pytest.mark.parametrize("words", list(commands(README)), ids=" ".join)
def test_a_command_is_taken(words):
    """Flags are known and required ones are there; running it is the matter of the verb's own tests."""
    if words[:3] == ["python", "-m", "app"]:
        verb, rest = "serve", words[3:]
        assert (ROOT / "app/__main__.py").is_file()
    elif words[0] == "python":
        script = words[1]
        verb, rest = {"finetune.py": "finetune", "utils/model_merge.py": "merge"}[script], words[2:]
        assert (ROOT / script).is_file()
    elif words[0] == "sqlfocus":
        verb, rest = words[1], words[2:]
        assert verb in VERBS
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    else:
        assert words[0] in {"git", "cd", "source", "mkdir", "pip", "cp", "curl"}
        return
    rest = rest[: rest.index(">")] if ">" in rest else rest
    command = importlib.import_module(f"sqlfocus.commands.{verb}")
    if verb == "finetune":
        command.parse(rest, prog=verb)
        return
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    command.add_arguments(parser)
    parser.parse_args([_underscored(word) for word in rest])


@pytest.mark.parametrize("text", [README, CHINESE, SERVICE], ids=["english", "chinese", "service"])
def test_a_request_fits_the_api(text):
    from pydantic import BaseModel

    from sqlfocus.web import messages

    bodies = {"text2sql": messages.Text2SqlRequest, "ask": messages.AskRequest, "execute": messages.ExecuteRequest}
    requests = [words for words in commands(text) if words[0] == "curl"]
    assert requests
    for words in requests:
        path = next(word for word in words if "localhost:4060/" in word).partition("4060/")[2]
        if "-d" in words:
            model: type[BaseModel] = bodies[path]
            model.model_validate_json(words[words.index("-d") + 1])


def test_the_table_of_problems_is_the_codes():
    from sqlfocus.web.problems import TITLES

    rows = re.findall(r"^\| `([\w-]+)` \| (\d+) \|", SERVICE, re.MULTILINE)
    assert rows == [(kind, str(status)) for kind, (status, _) in TITLES.items()]


def test_every_key_of_the_configuration_is_described():
    from sqlfocus.web.config import KEYS

    assert [key for key in KEYS if f"`{key}`" not in SERVICE] == []


def test_the_light_commands_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    """From the sample database to training files, as the README has it."""
    monkeypatch.chdir(tmp_path)
    light = [words for words in commands(README) if words[1:2] in (["sample"], ["schema"], ["synthesize"])]
    assert len(light) == 4
    for words in light:
        words = ["200" if word == "2000" else word for word in words]
        assert main(words[1 : words.index(">")] if ">" in words else words[1:]) == 0
    assert "【DB_ID】 shop" in capsys.readouterr().out
    assert (tmp_path / "mine" / "train_data.jsonl").is_file()
    assert (tmp_path / "mine" / "dev_data.jsonl").is_file()


def test_pictures_and_linked_files_are_there():
    for text in (README, CHINESE):
        for target in re.findall(r"\]\((?!http)([^)#]+)", text):
            assert (ROOT / target).exists(), target


if __name__ == "__main__":  # prints the tables, to be pasted
    sys.stdout.write(f"{flag_table()}\n\n{command_table()}\n")
