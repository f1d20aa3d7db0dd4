import contextlib
import subprocess
import sys

import pytest

from sqlfocus.demo.chain import Step, accuracy, run_step, table, watch
from sqlfocus.demo.shop import build_shop
from sqlfocus.errors import UserError
from sqlfocus.evaluation.score import Score
from sqlfocus.files import write_json_lines


def test_a_step_runs_the_command_and_measures_it(tmp_path, capfd):
    output = tmp_path / "schema.txt"
    build_shop(tmp_path / "shop.sqlite")
    step = run_step("Read", ["schema", str(tmp_path / "shop.sqlite")], output=output)
    assert "# Table: customers" in output.read_text(encoding="utf-8")
    assert step.seconds > 0
    assert step.memory > 1e6
    assert f"shop.sqlite > {output}" in capfd.readouterr().err


def test_a_step_that_fails_stops_the_demo_and_leaves_no_half_file(tmp_path):
    output = tmp_path / "schema.txt"
    with pytest.raises(UserError, match=r"the demo stops at this step \(Read\), which ended with status 2"):
        run_step("Read", ["schema", str(tmp_path / "nowhere.sqlite")], output=output)
    assert not output.exists()


@pytest.mark.parametrize(
    ("status", "may_fail", "ends"), [(0, False, False), (1, True, False), (1, False, True), (2, True, True)]
)
def test_an_answer_that_does_not_run_is_no_end(status, may_fail, ends):
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({status})"])
    with pytest.raises(UserError, match=f"status {status}") if ends else contextlib.nullcontext():
        watch("Ask", process, may_fail=may_fail)


def test_the_table_says_what_each_step_took_and_ex_before_and_after(tmp_path):
    write_json_lines(tmp_path / "after.jsonl", [{"verdict": "right"}, {"verdict": "wrong"}, {"verdict": "right"}])
    steps = [Step("Build", 0.26, 0), Step("Train", 312.0, 8_300_000_000)]
    text = table(steps, {"before": Score(0, 86), "after": accuracy(tmp_path / "after.jsonl")})
    assert "Train                               312.0     8.3 GB" in text
    assert "total                               312.3" in text
    assert "EX before: 0.000 (0 of 86 hand-written questions; 95 % interval 0.000 to 0.043)" in text
    assert "EX after: 0.667 (2 of 3 hand-written questions; 95 % interval 0.208 to 0.939)" in text
