"""Which models a ladder has, what is kept of them, and which one is recommended."""

import dataclasses
import json
import shutil
from pathlib import Path

import gguf
import numpy
import pytest
from safetensors.numpy import save_file

from made_up_ladder import made_up, whole_ladder, write_gguf
from sqlfocus.errors import UserError
from sqlfocus.evaluation.evaluate import evaluate
from sqlfocus.evaluation.ladder import Rung, Task, measure_ladder
from sqlfocus.evaluation.ladder_choice import choose, compare_to, figures
from sqlfocus.evaluation.ladder_rungs import find_rungs, reference_of
from sqlfocus.evaluation.rung import weights_size
from sqlfocus.inference import llamacpp
from sqlfocus.inference.engine import Completion
from sqlfocus.models.gguf import source_digest
from sqlfocus.models.record import ModelRecord
from zoo import EXAMPLES, make_zoo


def chosen(measured, margin=0.05):
    reference = reference_of([one.rung for one in measured])
    return choose(compare_to(measured, reference), reference, margin=margin)


def test_the_smallest_type_without_a_loss_is_taken_and_the_sentence_says_how_sure_that_is():
    choice = chosen(whole_ladder())
    assert choice.reference.rung.name == "F16"
    assert choice.taken is not None
    assert choice.sentence == (
        "Take Q4_K_M (105 MB, 39 % of F16): EX 0.367 to F16's 0.373, difference −0.007, 95 % interval −0.028 to +0.012 "
        "on 300 questions; a loss of more than 2.8 points is unlikely (2.5 %). With all 7 types looked at allowed for, "
        "a loss of more than 4 points is unlikely. To tell a loss of 1 point from none, about 1,568 questions are "
        "needed."
    )
    assert [reason.split()[0] for reason in choice.reasons] == ["Q2_K", "Q4_0", "Q3_K_M"]
    assert "it loses 10 points (95 % interval 3.9 to 16.2 points)" in choice.reasons[0]
    assert "it may lose 5.7 points, more than the 5 points that are to be unlikely" in choice.reasons[1]


def test_a_wider_margin_takes_a_smaller_type_and_never_one_that_is_seen_to_lose():
    assert chosen(whole_ladder(), margin=0.06).taken.rung.name == "Q4_0"
    assert chosen(whole_ladder(), margin=0.3).taken.rung.name == "Q4_0"
    assert chosen(whole_ladder(), margin=0.01).taken is None


def test_a_loss_that_is_hardly_more_than_the_margin_is_told_from_it():
    measured = whole_ladder()
    compared = compare_to(measured, reference_of([one.rung for one in measured]))
    (one,) = [one for one in compared if one.rung.name == "Q4_0"]
    reasons = chosen(measured, margin=-one.pair.interval()[0] - 1e-6).reasons
    assert "it may lose a little over 5.7 points, more than the 5.7 points that are to be unlikely" in reasons[1]


def test_few_questions_recommend_nothing_and_say_how_many_would():
    measured = [made_up("F16", {0, 1, 2}, questions=12, size=271), made_up("Q2_K", {0, 1, 2}, questions=12, size=88)]
    choice = chosen(measured)
    assert choice.taken is None
    assert choice.sentence == (
        "Keep F16 (271 MB): on 12 questions a loss of 5 points cannot be ruled out for any type that is not seen to "
        "lose EX. About 155 questions would do for that."
    )


def test_where_there_is_too_little_to_lose_nothing_is_recommended():
    measured = [made_up("F16", {0}, size=271), made_up("Q2_K", set(), size=88)]
    assert chosen(measured).taken is None
    assert chosen(measured).sentence.startswith(
        "Nothing is recommended: F16 is right on 1 of 300 questions, no more than the margin of 5 points"
    )
    assert chosen(measured, margin=0.002).sentence.startswith("Keep F16")


def test_where_every_type_loses_that_is_said():
    measured = [made_up("F16", set(range(200)), size=271), made_up("Q2_K", set(range(100)), size=88)]
    assert chosen(measured).sentence.endswith("every quantized type loses EX.")
    assert chosen(measured[:1]).sentence == "There is no quantized type to choose; F16 is all that can be taken."


def test_where_no_question_could_be_judged_that_is_said():
    measured = [made_up(name, set(), questions=0, size=88) for name in ("F16", "Q2_K")]
    assert chosen(measured).sentence.startswith("Nothing is recommended: no question could be judged")


def test_answers_that_are_no_sql_are_the_same_only_where_their_text_is():
    first, second = made_up("F16", set(), questions=2, size=271), made_up("Q8_0", set(), questions=2, size=145)
    for row, text in zip([*first.rows, *second.rows], ["I cannot.", "No.", "I cannot.", "Never."], strict=True):
        row |= {"sql": "", "completion": text}
    (_, other) = compare_to([first, second], first.rung)
    assert other.equal == 0.5


def test_rungs_are_held_against_each_other_question_by_question():
    # The same share is right, of other questions: what is known of the difference is far less than the shares say.
    first, second = made_up("F16", set(range(50)), size=271), made_up("Q8_0", set(range(50, 100)), size=145)
    second.rows.reverse()
    (_, other) = compare_to([first, second], first.rung)
    assert (other.pair.gained, other.pair.lost, other.pair.questions) == (50, 50, 300)
    assert other.equal == pytest.approx(200 / 300)
    assert {row["question"] for row, _ in other.lost} == {f"Question {number}?" for number in range(50)}


def test_a_question_that_is_asked_twice_is_two_questions():
    first, second = made_up("F16", {0}, questions=2, size=271), made_up("Q8_0", {1}, questions=2, size=145)
    for row in [*first.rows, *second.rows]:
        row["question"] = "The same?"
    (_, other) = compare_to([first, second], first.rung)
    assert (other.pair.gained, other.pair.lost) == (1, 1)


def test_the_figures_are_one_flat_object():
    measured = whole_ladder()
    reference = reference_of([one.rung for one in measured])
    compared = compare_to(measured, reference)
    found = json.loads(json.dumps(figures(compared, choose(compared, reference, margin=0.05))))
    assert (found["recommended"], found["reference"], found["questions"]) == ("Q4_K_M", "F16", 300)
    assert found["ex_Q4_K_M"] == pytest.approx(110 / 300)
    assert (found["equal_Q4_K_M"], found["size_F16"]) == (0.98, 271e6)
    assert not any(isinstance(value, dict | list) for value in found.values())


@pytest.mark.parametrize(
    ("names", "reference"),
    [
        (["merged", "Q8_0", "F16", "BF16"], "F16"),
        (["merged", "BF16", "Q8_0"], "BF16"),
        (["base", "merged", "Q8_0"], "merged"),
        (["base", "Q8_0", "Q2_K"], "Q8_0"),
    ],
)
def test_the_reference_is_f16_else_the_merged_model_else_the_largest_file(names, reference):
    kinds = {"base": "base", "merged": "merged"}
    rungs = [Rung(name, kinds.get(name, "gguf"), name, "" if name in kinds else name) for name in names]
    assert reference_of(rungs).name == reference


@pytest.fixture
def models(smollm2, tmp_path, monkeypatch):
    """The folders that fine-tuning, merging and quantizing leave, with nothing in them but what names them."""
    monkeypatch.chdir(tmp_path)
    for folder in ("save-model/shop-lora", "new-model/shop-R1", "new-model/shop-R1-GGUF"):
        Path(folder).mkdir(parents=True)
    Path("save-model/shop-lora/adapter_config.json").write_text("{}")
    Path("new-model/shop-R1/config.json").write_text("{}")
    ModelRecord("org/base", "", "schema-first", ["sqlite"]).write(Path("new-model/shop-R1"))
    Path("new-model/shop-R1-GGUF/shop-R1-Q4_1.gguf").symlink_to(smollm2)
    return tmp_path


def find(model=None, gguf=(), **options):
    said = []
    rungs, record = find_rungs(model, gguf, **{"base": None, "adapter": None, "say": said.append, **options})
    return rungs, record, said


def test_what_belongs_to_a_merged_model_is_found_beside_it(models):
    rungs, record, said = find("new-model/shop-R1")
    assert [(rung.name, rung.kind, rung.model) for rung in rungs] == [
        ("base", "base", "org/base"),
        ("adapter", "adapter", "save-model/shop-lora"),
        ("merged", "merged", "new-model/shop-R1"),
        ("Q4_1", "gguf", "new-model/shop-R1-GGUF/shop-R1-Q4_1.gguf"),
    ]
    assert record.base_model == "org/base"
    assert said == []


def test_what_is_not_there_is_said(models):
    shutil.rmtree("save-model")
    shutil.rmtree("new-model/shop-R1-GGUF")
    Path("new-model/shop-R1/sqlfocus.json").unlink()
    rungs, _, said = find("new-model/shop-R1")
    assert [rung.name for rung in rungs] == ["merged"]
    assert said == [
        "no GGUF files in new-model/shop-R1-GGUF; make them with `sqlfocus quantize --model new-model/shop-R1`",
        "base: left out, new-model/shop-R1 has no record that names it; --base names one",
        "adapter: left out, there is no save-model/shop-lora; --adapter names one",
    ]


def test_flags_name_others(models):
    rungs, _, said = find("new-model/shop-R1", base="org/other", adapter=Path("save-model/shop-lora"))
    assert [rung.model for rung in rungs][:2] == ["org/other", "save-model/shop-lora"]
    rungs, _, said = find("new-model/shop-R1", with_base=False)
    assert [rung.name for rung in rungs] == ["adapter", "merged", "Q4_1"]
    assert said == []


def test_files_of_one_type_are_called_by_their_names(models, smollm2):
    Path("more").mkdir()
    shutil.copy(smollm2, "more/other.gguf")
    rungs, *_ = find(gguf=[Path("new-model/shop-R1-GGUF"), Path("more/other.gguf"), Path("more")])
    assert [(rung.name, rung.type) for rung in rungs] == [("shop-R1-Q4_1", "Q4_1"), ("other", "Q4_1")]


@pytest.mark.parametrize(
    ("place", "model", "there"),
    [("new-model", "shop-R1", ".."), ("new-model/shop-R1", ".", "../.."), ("save-model", "../new-model/shop-R1", "..")],
)
def test_it_is_found_from_wherever_the_model_is_named(models, monkeypatch, place, model, there):
    monkeypatch.chdir(place)
    rungs, _, said = find(model)
    assert [rung.name for rung in rungs] == ["base", "adapter", "merged", "Q4_1"]
    assert Path(rungs[1].model).samefile(Path(there) / "save-model/shop-lora")
    assert said == []


def test_a_file_that_cannot_be_read_stays_a_rung_and_the_others_are_found(models):
    folder = Path("new-model/shop-R1-GGUF")
    (folder / "broken.gguf").write_bytes(b"GGUF, but no more")
    (folder / "gone.gguf").symlink_to("nowhere.gguf")
    write_gguf(folder / "strange.gguf", template=["no text"])
    rungs, record, _ = find(gguf=[folder])
    types = {rung.name: rung.type for rung in rungs}
    assert types == {"Q4_1": "Q4_1", "Q8_0": "Q8_0", "broken": "", "gone": ""}
    assert record is None


def test_the_record_is_that_of_whichever_has_one(models):
    write_gguf(Path("files/a.gguf"), gguf.LlamaFileType.MOSTLY_F16)
    write_gguf(Path("files/b.gguf"), template="schema-first-zh")
    assert find(gguf=[Path("files")])[1].prompt_template == "schema-first-zh"
    Path("new-model/shop-R1/sqlfocus.json").unlink()
    rungs, record, _ = find("new-model/shop-R1", gguf=[Path("files")])
    assert (rungs[0].model, record.prompt_template) == ("org/base", "schema-first-zh")


def test_files_of_two_models_are_refused(models):
    write_gguf(Path("two/a.gguf"), gguf.LlamaFileType.MOSTLY_F16, source="1234")
    write_gguf(Path("two/b.gguf"), source="5678")
    with pytest.raises(UserError, match=r"two/b\.gguf: not made from the same weights as two/a\.gguf; quantize again"):
        find(gguf=[Path("two")])
    write_gguf(Path("more/a.gguf"), gguf.LlamaFileType.MOSTLY_F16, template="schema-first")
    write_gguf(Path("more/b.gguf"), template="schema-first-zh")
    with pytest.raises(UserError, match=r"more/a\.gguf was trained in .* schema-first, more/b\.gguf in"):
        find(gguf=[Path("more")])


def test_files_of_older_weights_are_refused(models):
    merged = Path("new-model/shop-R1")
    save_file({"one": numpy.zeros(4, dtype=numpy.float32)}, merged / "model.safetensors")
    write_gguf(Path("files/a.gguf"), source=source_digest(merged))
    assert [rung.name for rung in find(str(merged), gguf=[Path("files")])[0]][-2:] == ["merged", "Q8_0"]
    save_file({"one": numpy.ones(4, dtype=numpy.float32)}, merged / "model.safetensors")
    with pytest.raises(UserError, match=r"files/a\.gguf: not made from the same weights as new-model/shop-R1"):
        find(str(merged), gguf=[Path("files")])


def test_two_files_whose_results_would_have_one_name_are_refused(models):
    write_gguf(Path("files/x.gguf"), gguf.LlamaFileType.MOSTLY_F16)
    write_gguf(Path("files/f16.gguf"))
    write_gguf(Path("files/other.gguf"))
    with pytest.raises(UserError, match="would both be called"):
        find(gguf=[Path("files")])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({}, "nothing to compare; name a merged model with --model, or GGUF files with --gguf"),
        ({"model": "new-model/nothing"}, "new-model/nothing: no model there"),
        ({"model": "save-model/shop-lora"}, "an adapter is named with --adapter"),
        ({"model": "x.gguf"}, "a GGUF file is named with --gguf"),
        ({"gguf": [Path("new-model/shop-R1")]}, "no GGUF file there; check --gguf"),
        ({"gguf": [Path("none.gguf")]}, "none.gguf: no GGUF file there"),
        ({"model": "new-model/shop-R1", "adapter": Path("nowhere")}, "nowhere: no adapter there"),
        ({"model": "new-model/shop-R1", "base": "http://localhost:1/v1"}, "--base http://localhost:1/v1: a server's"),
    ],
)
def test_what_is_wrong_is_said(models, words, message):
    with pytest.raises(UserError, match=message):
        find(**words)


@pytest.fixture
def task(tmp_path):
    make_zoo(tmp_path / "databases")
    return Task(EXAMPLES[:3], {"zoo": "# Table: animal\n[\n(legs:INTEGER)\n]"}, tmp_path / "databases")


def test_a_rung_that_cannot_be_measured_leaves_the_others(task, tmp_path):
    said = []
    rungs = [Rung("gone", "gguf", "gone.gguf", "Q8_0"), Rung("lost", "gguf", "lost.gguf", "Q4_0")]
    measured, failed = measure_ladder(rungs, task, tmp_path / "rungs", say=said.append)
    assert measured == []
    assert failed == {"gone": "gone.gguf: no such GGUF file", "lost": "lost.gguf: no such GGUF file"}
    assert said == [f"{name}: not measured: {why}" for name, why in failed.items()]


@pytest.mark.model
@pytest.mark.skipif(not llamacpp.available(), reason="llama-cpp-python is not installed")
def test_an_error_that_nobody_foresaw_is_kept_whole_and_leaves_the_others(task, smollm2, tmp_path):
    rungs = [Rung("small", "gguf", str(smollm2), "Q4_1"), Rung("gone", "gguf", "gone.gguf", "Q8_0")]
    without_schema = dataclasses.replace(task, schemas={})
    measured, failed = measure_ladder(rungs, without_schema, tmp_path / "rungs", say=lambda _: None)
    trace = tmp_path / "rungs" / "small.error.txt"
    assert measured == []
    assert failed == {"small": f"'zoo' ({trace} has more)", "gone": "gone.gguf: no such GGUF file"}
    assert "KeyError: 'zoo'" in trace.read_text(encoding="utf-8")


def test_results_that_have_no_place_are_refused(task, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        measure_ladder([Rung("gone", "gguf", "gone.gguf", "Q8_0")], task, tmp_path / "file" / "rungs", say=print)


def test_weights_are_those_that_are_loaded(tmp_path):
    for name, size in (("model-1.safetensors", 5), ("model-2.safetensors", 7), ("consolidated.safetensors", 12)):
        (tmp_path / name).write_bytes(bytes(size))
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(12))
    shards = {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-2.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert weights_size(tmp_path) == 12


def test_a_task_goes_through_json_and_its_digest_sees_a_change(task):
    again = Task.from_json(json.loads(json.dumps(task.to_json())))
    assert again.digest() == task.digest()
    assert list(again.examples) == list(task.examples)
    others = [
        Task(task.examples[:2], task.schemas, task.databases),
        Task(task.examples, {"zoo": "# Table: keeper\n[\n(name:TEXT)\n]"}, task.databases),
        Task(task.examples, task.schemas, task.databases, free=True),
    ]
    assert len({one.digest() for one in [task, *others]}) == 4
    before = task.digest()
    database = task.databases / "zoo" / "zoo.sqlite"
    database.write_bytes(database.read_bytes() + b"\0" * 4096)
    assert task.digest() != before


def test_rows_of_an_evaluation_are_what_the_comparison_reads(task):
    def tell_gold(examples, tell):
        for place, example in enumerate(examples):
            tell(place, [Completion(example.sql, 1, True)])

    found = evaluate(task.examples, task.databases, tell_gold)
    rows = [prediction.to_json() for prediction in found.predictions]
    one = made_up("F16", set(), size=271)
    one.rows[:] = rows
    (compared,) = compare_to([one], one.rung)
    assert (compared.score.right, compared.score.questions, compared.equal) == (3, 3, 1.0)
