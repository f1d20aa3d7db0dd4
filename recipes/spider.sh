#!/bin/sh
# Fine-tune a model on Spider and measure it on dev: one greedy answer, then five weighed ones with one repair.
#
#   sh recipes/qwen2.5-coder-0.5b-spider.sh MODEL SPIDER [WORK]
#
# This file is what the recipes beside it have in common. What is done lies in WORK and is not done again; a training
# that was stopped goes on.
set -eu
here=$(dirname "$0")/..
PYTHON=${PYTHON:-python}

model=${1:?name the base model: hub name, folder or GGUF file}
spider=${2:?name the folder of Spider, with train_spider.json, tables.json and database/}
work=${3:-output/recipes/$recipe}

mkdir -p "$work"
if [ ! -f "$work/data/train_data.jsonl" ]; then
    "$PYTHON" -m sqlfocus prepare spider --source "$spider" --output "$work/data" --max_values "$max_values"
fi
if ! ls "$work"/save-model/*/adapter_config.json >/dev/null 2>&1; then
    resume=
    if ls -d "$work"/run/checkpoint-* >/dev/null 2>&1; then resume="--resume_from_checkpoint last"; fi
    # shellcheck disable=SC2086
    "$PYTHON" "$here/finetune.py" --model_name "$model" --train_file "$work/data/train_data.jsonl" \
        --output_dir "$work/run" --save_dir "$work/save-model" \
        --num_train_epochs "$epochs" --learning_rate "$learning_rate" --lr_scheduler_type cosine --warmup_steps 0.05 \
        --lora_rank "$rank" --lora_alpha "$((2 * rank))" --lora_dropout 0 \
        --per_device_train_batch_size 32 --gradient_accumulation_steps 1 --prefixes_per_step 2 \
        --row_length 8192 --max_seq_length 8192 --save_steps 100 $resume
fi
repair=
for candidates in 1 5; do
    if [ ! -f "$work/dev-$candidates.jsonl" ]; then
        "$PYTHON" -m sqlfocus evaluate --model "$work"/save-model/* --data "$work/data/dev_data.jsonl" \
            --databases "$spider/database" --exclude_databases wta_1 --max_new_tokens 128 --batch_size 32 \
            --candidates "$candidates" $repair --output "$work/dev-$candidates.jsonl"
    fi
    repair=--repair
done
