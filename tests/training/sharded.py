"""Run under torchrun with a base's type: one packed step in FSDP2's shards, and whole; prints the difference."""

import os
import random
import sys

import torch
from peft import LoraConfig, get_peft_model
from torch.distributed import barrier, destroy_process_group, get_rank, init_process_group
from torch.distributed.fsdp import fully_shard
from transformers import LlamaConfig, LlamaForCausalLM

from small_models import TINY_SHAPE
from sqlfocus.models import attention
from sqlfocus.training.finetune import adapter_weights
from sqlfocus.training.head import fuse_loss
from sqlfocus.training.lora import speed_up
from sqlfocus.training.loss import answer_loss
from sqlfocus.training.packing import TokenizedExample, pack


def model(dtype):
    torch.manual_seed(0)
    base = LlamaForCausalLM(LlamaConfig(**TINY_SHAPE, attn_implementation=attention.NAME)).to(dtype)
    made = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", lora_dropout=0, task_type="CAUSAL_LM"))
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    assert speed_up(made) == 14
    assert fuse_loss(made)
    return made.train()


def gradients(made, rows):
    loss = answer_loss(made, pack(rows))
    loss.backward()
    found = {}
    for name, parameter in made.named_parameters():
        if parameter.requires_grad:
            gradient = parameter.grad
            found[name] = gradient.full_tensor() if hasattr(gradient, "full_tensor") else gradient
    return float(loss.detach()), found


def main():
    init_process_group("gloo")
    source = random.Random(0)
    schema = [source.randrange(1, 97) for _ in range(30)]
    rows = [
        TokenizedExample(schema + [source.randrange(1, 97) for _ in range(5)], [source.randrange(1, 97), 0])
        for _ in range(6)
    ]
    dtype = getattr(torch, sys.argv[1])
    made, sharded = model(dtype), model(dtype)
    whole_loss, whole = gradients(made, rows)
    for layer in sharded.base_model.model.model.layers:
        fully_shard(layer)
    fully_shard(sharded)
    loss, shards = gradients(sharded, rows)
    assert whole.keys() == shards.keys()
    difference = max(float((whole[name] - shards[name]).norm() / whole[name].norm().clamp(min=1e-9)) for name in whole)
    gathered, kept = adapter_weights(sharded), adapter_weights(made)
    assert gathered.keys() == kept.keys()
    assert all(torch.equal(gathered[name], kept[name]) for name in kept)
    if get_rank() == 0:
        print(f"loss {abs(loss - whole_loss) / whole_loss:.2e} gradient {difference:.2e}")
    barrier()
    destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # all is said and checked; in Python's own end one of PyTorch's threads aborts the process now and then


if __name__ == "__main__":
    main()
