"""Merging: the weights of the base and the adapter's, all of the way or a share of it."""

import shutil

import pytest
import torch
from safetensors.torch import load_file

from sqlfocus.cli import main
from sqlfocus.models.merge import merge
from sqlfocus.models.record import read_record


@pytest.fixture(scope="module")
def adapter(farm):
    return farm / "adapter" / "tiny-llama-lora"


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_a_share_is_that_far_from_the_base_to_the_adapter(adapter, tiny_model, tmp_path):
    adapter = shutil.copytree(adapter, tmp_path / "adapter")
    measured = read_record(adapter)
    measured.evaluations.append({"data": "dev.jsonl", "questions": 10, "ex": 0.5, "low": 0.2, "high": 0.8})
    measured.write(adapter)
    base = load_file(tiny_model / "model.safetensors")
    whole = weights(merge(adapter, tmp_path / "whole", dtype=torch.float32))
    part = weights(merge(adapter, tmp_path / "part", share=0.25, dtype=torch.float32))
    changed = [name for name in whole if name in base and not torch.equal(whole[name], base[name].float())]
    assert any("q_proj" in name for name in changed) and any("down_proj" in name for name in changed)
    for name in changed:
        expected = base[name].float() + 0.25 * (whole[name] - base[name].float())
        assert torch.allclose(part[name], expected, atol=1e-6), name
    record = read_record(tmp_path / "part")
    assert record is not None and record.training["share"] == 0.25
    assert "share" not in read_record(tmp_path / "whole").training
    # What was measured is the whole adapter's.
    assert record.evaluations == [] and len(read_record(tmp_path / "whole").evaluations) == 1
    assert "- Share: 0.25" in (tmp_path / "part" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("share", ["0", "-1", "1.5", "nan"])
def test_a_share_that_is_none_is_refused(share, adapter, tmp_path, capsys):
    words = ["--adapter", str(adapter), "--output", str(tmp_path / "merged"), "--share", share]
    assert main(["merge", *words]) == 2
    assert "more than 0, and 1 at most" in capsys.readouterr().err
    assert not (tmp_path / "merged").exists()
