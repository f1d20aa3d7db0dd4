"""A ladder that nobody measured, and files of no model, for tests of what is made of them."""

import json
from dataclasses import asdict

import gguf
import numpy

from sqlfocus.evaluation.ladder import Measured, Rung
from sqlfocus.models.record import ModelRecord

MB = 1_000_000
SIZES = {"Q8_0": 145, "Q6_K": 138, "Q5_K_M": 112, "Q4_K_M": 105, "Q4_0": 92, "Q3_K_M": 93, "Q2_K": 88}


def made_up(name, right, *, questions=300, size=105, kind="gguf", first="SELECT 1", reason=""):
    """A rung that answers the questions whose numbers are in ``right``, in ``size`` megabytes."""
    rows = [
        {
            "db_id": "shop",
            "question": f"Question {number}?",
            "gold": "SELECT 1",
            "sql": first if number in right else "SELECT 2",
            "completion": "",
            "verdict": "right" if number in right else "wrong",
            "reason": reason,
        }
        for number in range(questions)
    ]
    figures = {"memory": 3.0 * size * MB, "first_token": 0.02, "first_token_cold": 1.5, "size": 1.0 * size * MB}
    figures |= {"tokens_per_second": 41.5, "answers_per_second": 2.25}
    type_of = name if kind == "gguf" else ""
    rung = Rung(name, kind, f"new-model/{name}", type_of)
    return Measured(
        *(rung, figures, rows),
        mix={"Q4_K": 3, "Q6_K": 1} if kind == "gguf" else {},
        ran="llama.cpp on cpu" if kind == "gguf" else "transformers on cpu in float32",
        date="2026-01-02 03:04",
    )


def whole_ladder():
    """Base, adapter, merged, F16 and seven types, of which the smallest lose most."""
    good = set(range(112))
    found = [
        made_up("base", set(range(9)), size=269, kind="base"),
        made_up("adapter", good, size=274, kind="adapter"),
        made_up("merged", good, size=269, kind="merged"),
        made_up("F16", good, size=271),
    ]
    lost = {"Q8_0": 0, "Q6_K": 1, "Q5_K_M": 2, "Q4_K_M": 4, "Q4_0": 14, "Q3_K_M": 19, "Q2_K": 60}
    for name, size in SIZES.items():
        kept = set(range(lost[name], 112)) | set(range(112, 112 + lost[name] // 2))
        found.append(made_up(name, kept, size=size))
    return found


def write_gguf(path, kind=gguf.LlamaFileType.MOSTLY_Q8_0, *, source="", template=""):
    """A GGUF file of next to nothing that says its type, from which weights it is, and in which template it learnt."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_file_type(kind)
    if source:
        writer.add_string("sqlfocus.source_sha256", source)
    if template:
        writer.add_string("sqlfocus.record", json.dumps(asdict(ModelRecord("org/base", "", template, ["sqlite"]))))
    writer.add_tensor("one", numpy.zeros(4, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
