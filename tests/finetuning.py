"""Fine-tuning runs of a tiny model, as a user starts them."""

import json
import subprocess
import sys
from pathlib import Path

from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = "【DB_ID】 {0}\n【Schema】\n# Table: {0}\n[\n(id:INTEGER, Primary Key),\n(name:TEXT),\n(age:INTEGER)\n]"


def training_rows(folder):
    """A training file of 36 rows on three databases, with their schema texts beside it."""
    (folder / "schemas").mkdir(parents=True)
    rows = []
    for db_id in ("singer", "farm", "shop"):
        (folder / "schemas" / f"{db_id}.txt").write_text(SCHEMA.format(db_id))
        for age in range(20, 32):
            sql = f"SELECT name FROM {db_id} WHERE age > {age}"
            rows.append({"question": f"Who is older than {age}?", "sql": sql, "db_id": db_id})
    train = folder / "train_data.jsonl"
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return train


def command(tiny_model, data, run, *flags):
    return [
        sys.executable,
        str(ROOT / "finetune.py"),
        *("--model_name", str(tiny_model), "--train_file", str(data), "--output_dir", str(run / "output")),
        *("--save_dir", str(run / "adapter"), "--tracking", "disabled", "--use_cpu", "--save_steps", "2"),
        *("--learning_rate", "1e-2", "--logging_steps", "1", "--disable_tqdm", "true", *flags),
    ]


def finetune(tiny_model, data, run, *flags, check=True):
    done = subprocess.run(command(tiny_model, data, run, *flags), capture_output=True, text=True, cwd=run.parent)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def weights(run):
    return load_file(run / "adapter" / "tiny-llama-lora" / "adapter_model.safetensors")
