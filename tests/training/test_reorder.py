import json
import random

import pytest

from sqlfocus.schema.mschema import Column, Database, ForeignKey, Table
from sqlfocus.schema.parse import parse_mschema
from sqlfocus.training.packing import StepLoader, StepSampler, TokenizedExample
from sqlfocus.training.reorder import EpochExamples, reordered

CUSTOMERS = Table(
    "customers", (Column("id", "INTEGER", primary_key=True), Column("town", "TEXT", "where", False, ("Rome", "Ulm")))
)
ORDERS = Table(
    "orders",
    (Column("id", "INTEGER", primary_key=True), Column("customer", "INTEGER"), Column("price", "REAL")),
    foreign_keys=(ForeignKey(("customer",), "customers", ("id",)),),
)
SHOP = Database("shop", (CUSTOMERS, ORDERS, Table("log", (Column("line", "TEXT"),))))


def plain(database):
    """What a database holds, whatever the order."""
    return {(table.name, table.foreign_keys, frozenset(table.columns)) for table in database.tables}


def test_another_order_holds_the_same():
    texts = {reordered(SHOP.mschema(), random.Random(seed)) for seed in range(20)}
    assert len(texts) > 10
    for text in texts:
        assert plain(parse_mschema(text)) == plain(SHOP)
        assert parse_mschema(text).mschema() == text


def test_the_same_seed_gives_the_same_order():
    assert reordered(SHOP.mschema() + "\n", random.Random(1)) == reordered(SHOP.mschema(), random.Random(1))


@pytest.mark.parametrize("text", ["CREATE TABLE t (id INTEGER, town TEXT)", "", "a table of orders"])
def test_a_text_that_is_no_mschema_stays(text):
    assert reordered(text, random.Random(1)) == text


def test_a_loader_takes_each_epochs_own_examples():
    first = [TokenizedExample([1, 2, number], [9]) for number in range(6)]
    made = []

    def again(epoch):
        made.append(epoch)
        return [TokenizedExample([one.prompt[0], 2 + epoch, one.prompt[2]], one.answer) for one in first]

    examples = EpochExamples(first, again)
    sampler = StepSampler(first, packing="prefix", examples_per_step=3, prefixes_per_step=1, seed=1)
    loader = StepLoader(examples, batch_sampler=sampler, collate_fn=list)
    for epoch in (0, 1, 2, 0):
        loader.set_epoch(epoch)
        loader.set_epoch(epoch)
        seen = [one for step in loader for one in step]
        assert len(seen) == 6
        assert {one.prompt[1] for one in seen} == {2 + epoch}
    assert made == [1, 2]
    assert examples[2:4] == first[2:4]


def test_what_is_trained_on_differs_in_the_second_epoch_alone(tiny_model, tmp_path):
    from transformers import AutoTokenizer

    from sqlfocus.corpus.prompt import template_named
    from sqlfocus.training.dataset import load_dataset, tokenized

    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "shop.txt").write_text(SHOP.mschema())
    rows = [{"question": f"How many orders over {number}?", "sql": "SELECT 1", "db_id": "shop"} for number in range(3)]
    train = tmp_path / "train_data.jsonl"
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tokenizer, template = AutoTokenizer.from_pretrained(tiny_model), template_named("schema-first")
    dataset = load_dataset(train, tokenizer, template, schema_dir=None, max_length=4096)
    schemas = {name: reordered(text, random.Random(3)) for name, text in dataset.schemas.items()}
    others = list(tokenized(dataset.rows, tokenizer, template, schemas))
    assert [one.answer for one in others] == [one.answer for one in dataset.examples]
    for one, other, row in zip(others, dataset.examples, rows, strict=True):
        assert one.prompt != other.prompt
        text = tokenizer.decode(one.prompt)
        assert schemas["shop"] in text
        assert row["question"] in text
