"""``sqlfocus prepare`` as a user calls it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmark_folders import make_bird, make_database, make_spider
from sqlfocus.cli import main
from sqlfocus.corpus.example import Example, read_examples
from sqlfocus.corpus.readers import Conversation, read_training_rows

EXAMPLES = [
    {"question": f"Which {n}?", "sql": f"SELECT name FROM singer LIMIT {n}", "db_id": "music"} for n in range(20)
]


def call(capsys, *words):
    """Exit status, and what was printed on both streams."""
    status = main(["prepare", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def write_lines(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_spider_to_data_with_a_summary(tmp_path, capsys):
    make_spider(tmp_path / "spider")
    status, out, err = call(capsys, "spider", "--source", tmp_path / "spider", "--output", tmp_path / "data")
    assert (status, err) == (0, "")
    assert out.splitlines()[:9] == [
        f"{tmp_path}/data/train_data.jsonl: 3 rows on 2 databases",
        "  left out 1: SQL that cannot be parsed",
        "  left out 1: SQL that its database refuses",
        "  left out 1: no schema of the database unknown",
        "  left out 1: no text in question or SQL",
        "  left out 1: says the same as a row before it",
        f"{tmp_path}/data/dev_data.jsonl: 2 rows on 1 databases",
        f"{tmp_path}/data/schemas: 3 schema texts",
        "length of prompt and SQL in characters:     50 %     90 %     99 %  longest",
    ]
    assert "note: no database file, so no sample values in the schema text: lost" in out
    assert len(read_examples(tmp_path / "data" / "train_data.jsonl")) == 3


def test_the_style_is_a_benchmark_s_unless_it_is_to_be_kept(tmp_path, capsys):
    source = make_spider(tmp_path / "spider") / "train_spider.json"
    rows = json.loads(source.read_text())
    rows[0]["query"] = "SELECT COUNT(*) FROM Singer AS T1"
    source.write_text(json.dumps(rows))
    written = []
    for style in ((), ("--style", "kept")):
        call(capsys, "spider", "--source", source.parent, "--output", tmp_path / "data", "--force", *style)
        written.append(read_examples(tmp_path / "data" / "train_data.jsonl")[0].sql)
    assert written == ["SELECT count(*) FROM singer", rows[0]["query"]]


def test_bird_keeps_the_evidence(tmp_path, capsys):
    make_bird(tmp_path / "bird", nested=True)
    status, out, _ = call(capsys, "bird", "--source", tmp_path / "bird", "--output", tmp_path / "data")
    assert status == 0
    assert "dev_data.jsonl: 2 rows on 1 databases" in out
    assert read_examples(tmp_path / "data" / "dev_data.jsonl")[0].evidence == "a star is a singer"


def test_rows_of_ones_own_with_their_databases(tmp_path, capsys):
    make_database(tmp_path / "databases" / "music.sqlite")
    rows = write_lines(tmp_path / "rows.jsonl", EXAMPLES)
    words = ("jsonl", "--source", rows, "--databases", tmp_path / "databases", "--output", tmp_path / "data")
    status, out, _ = call(capsys, *words, "--dev-share", "0.2")
    assert status == 0
    assert "train_data.jsonl: 16 rows on 1 databases" in out
    train, dev = (read_examples(tmp_path / "data" / f"{part}_data.jsonl") for part in ("train", "dev"))
    assert sorted(train + dev, key=lambda row: int(row.sql.split()[-1])) == [Example(**row) for row in EXAMPLES]
    assert "Examples: [Ann, Bo]" in (tmp_path / "data" / "schemas" / "music.txt").read_text(encoding="utf-8")


def test_conversations_of_ones_own(tmp_path, capsys):
    alpaca = [{"instruction": "schema", "input": f"{n}?", "output": f"SELECT {n}"} for n in range(10)]
    rows = write_lines(tmp_path / "rows.jsonl", alpaca)
    status, out, _ = call(capsys, "jsonl", "--source", rows, "--output", tmp_path / "data", "--dev_share", "0")
    assert status == 0
    assert out.startswith(f"{tmp_path}/data/train_data.jsonl: 10 rows\ndev: no rows, no file\n")
    (tmp_path / "data" / "dev_data.jsonl").write_text("mine")
    words = ("jsonl", "--source", rows, "--output", tmp_path / "data", "--dev_share", "0", "--force")
    assert f"dev: no rows; {tmp_path}/data/dev_data.jsonl is left as it was" in call(capsys, *words)[1]
    assert read_training_rows(tmp_path / "data" / "train_data.jsonl")[3] == Conversation("", "schema\n3?", "SELECT 3")


@pytest.mark.model
def test_tokens_are_counted_with_a_tokenizer(tmp_path, capsys, tiny_model):
    rows = [
        {"user": "How many singers?", "assistant": "SELECT count(*) FROM singer"},
        {"user": "many " * 1100, "assistant": "SELECT 1"},
    ]
    source = write_lines(tmp_path / "rows.jsonl", rows)
    words = ("jsonl", "--source", source, "--output", tmp_path / "data", "--dev_share", 0)
    status, out, _ = call(capsys, *words, "--tokenizer", tiny_model)
    assert status == 0
    from sqlfocus.corpus.prompt import template_named
    from sqlfocus.models.loading import Source, load_tokenizer
    from sqlfocus.training.dataset import load_dataset

    dataset = load_dataset(
        tmp_path / "data" / "train_data.jsonl",
        load_tokenizer(Source(tiny_model)),
        template_named("schema-first"),
        schema_dir=None,
        max_length=10_000,
    )
    short, long = map(len, dataset.examples)
    assert "length of prompt and SQL in tokens:" in out
    line = next(line for line in out.splitlines() if line.startswith("  train"))
    assert line.split()[1:] == [str(short), f"{long:,}", f"{long:,}", f"{long:,}"]
    assert "  1 have more than 1024; raise finetune's --max_seq_length for them" in out


def test_mistakes_are_rows_with_the_wrong_answers_they_got(tmp_path, capsys):
    rows = write_lines(tmp_path / "train_data.jsonl", EXAMPLES[:2])
    told = {"db_id": "music", "question": "Which 1?", "sql": "SELECT id  FROM singer", "verdict": "wrong"}
    predictions = write_lines(tmp_path / "predictions.jsonl", [told])
    words = ("mistakes", "--source", rows, "--predictions", predictions)
    status, out, err = call(capsys, *words)
    written = tmp_path / "mistakes_data.jsonl"
    assert (status, err) == (0, "")
    assert out == f"{written}: 2 rows, 1 with a rejected answer; 1 were answered\n"
    assert [one.rejected for one in read_examples(written)] == ["", "SELECT id FROM singer"]
    assert "--force" in call(capsys, *words)[2]


@pytest.mark.model
def test_rejected_sql_becomes_a_second_answer(tmp_path, tiny_model):
    from sqlfocus.corpus.prompt import template_named
    from sqlfocus.models.loading import Source, load_tokenizer
    from sqlfocus.training.dataset import load_dataset

    rows = [EXAMPLES[0], {**EXAMPLES[1], "rejected": "SELECT id FROM singer, singer, singer"}]
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "music.txt").write_text("CREATE TABLE singer (id INT, name TEXT);")
    tokenizer = load_tokenizer(Source(tiny_model))
    dataset = load_dataset(
        write_lines(tmp_path / "rows.jsonl", rows),
        *(tokenizer, template_named("schema-first")),
        schema_dir=None,
        max_length=10_000,
    )
    plain, pair = dataset.examples
    assert [plain.rejected, tokenizer.decode(pair.rejected[:-1])] == [[], "SELECT id FROM singer, singer, singer"]
    assert pair.rejected[-1] == pair.answer[-1] and len(pair) == len(pair.prompt) + len(pair.rejected)


def test_nothing_is_replaced_without_force_and_nothing_read_before_that_is_said(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train_data.jsonl").write_text("mine")
    words = ("spider", "--source", tmp_path / "gone", "--output", tmp_path / "data")
    status, _, err = call(capsys, *words)
    assert status == 2
    assert err == (
        f"sqlfocus: error: {tmp_path}/data/train_data.jsonl: there already; "
        "choose another --output, or replace with --force\n"
    )
    make_spider(tmp_path / "gone")
    assert call(capsys, *words, "--force")[0] == 0
    assert len(read_examples(tmp_path / "data" / "train_data.jsonl")) == 3


def test_spider_is_downloaded_where_it_is_not_there(tmp_path, capsys, monkeypatch):
    make_spider(tmp_path / "made" / "spider_data")
    url = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path / "made")).as_uri()
    source = tmp_path / "spider"
    words = ("spider", "--source", source, "--output", tmp_path / "data", "--force", "--download")
    assert call(capsys, *words, url)[0] == 0
    assert sorted(path.name for path in source.iterdir()) == [
        "database",
        "dev.json",
        "tables.json",
        "train_spider.json",
    ]
    assert call(capsys, *words)[0] == 0  # it is there: nobody is asked
    (source / "train_spider.json").unlink()
    status, _, err = call(capsys, *words, url)
    assert status == 2
    assert "database: is there already; remove it or choose another folder" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("spider", "--source", "gone"), "gone: no such folder; name Spider's folder with --source"),
        (("spider", "--source", "."), ".: train_spider.json is not there; --source names the folder that holds it"),
        (("bird", "--source", "."), ".: train.json is not there"),
        (("jsonl", "--source", "gone.jsonl"), "gone.jsonl: no such file"),
        (("jsonl", "--source", "broken.jsonl"), "broken.jsonl:2: not JSON"),
        (("jsonl", "--source", "empty.jsonl"), "empty.jsonl: the file holds no rows"),
        (("jsonl", "--source", "rows.jsonl"), "no training row is left (no schema of the database music: 18)"),
        (("jsonl", "--source", "rows.jsonl", "--databases", "gone"), "gone: no such folder; --databases names"),
        (("jsonl", "--source", "rows.jsonl", "--dev_share", "1.5"), "--dev_share 1.5: a share is a number from 0"),
        (("jsonl", "--source", "rows.jsonl", "--tokenizer", "./gone"), "gone"),
    ],
)
def test_each_error_is_one_clear_line(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "rows.jsonl", EXAMPLES)
    write_lines(tmp_path / "empty.jsonl", [])
    (tmp_path / "broken.jsonl").write_text(json.dumps(EXAMPLES[0]) + '\n{"question": \n')
    status, out, err = call(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith("sqlfocus: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "data").exists()
