"""Run under torchrun: one packed step in FSDP2's shards, and the same step whole; prints the difference."""

import random

import torch
from peft import LoraConfig, get_peft_model
from torch.distributed import destroy_process_group, get_rank, init_process_group
from torch.distributed.fsdp import fully_shard
from transformers import LlamaConfig, LlamaForCausalLM

from sqlfocus.models import attention
from sqlfocus.training.lora import speed_up
from sqlfocus.training.loss import answer_loss
from sqlfocus.training.packing import TokenizedExample, pack


def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_implementation=attention.NAME,
    )
    lora = LoraConfig(r=4, target_modules="all-linear", lora_dropout=0, task_type="CAUSAL_LM")
    made = get_peft_model(LlamaForCausalLM(config), lora)
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    speed_up(made)
    return made.train()


def gradients(made, rows):
    loss = answer_loss(made, pack(rows))
    loss.backward()
    found = {}
    for name, parameter in made.named_parameters():
        if parameter.requires_grad:
            gradient = parameter.grad
            found[name] = gradient.full_tensor() if hasattr(gradient, "full_tensor") else gradient
    return float(loss), found


def main():
    init_process_group("gloo")
    source = random.Random(0)
    schema = [source.randrange(1, 97) for _ in range(30)]
    rows = [
        TokenizedExample(schema + [source.randrange(1, 97) for _ in range(5)], [source.randrange(1, 97), 0])
        for _ in range(6)
    ]
    whole_loss, whole = gradients(model(), rows)
    sharded = model()
    for layer in sharded.base_model.model.model.layers:
        fully_shard(layer)
    fully_shard(sharded)
    loss, shards = gradients(sharded, rows)
    assert whole.keys() == shards.keys()
    difference = max(float((whole[name] - shards[name]).norm() / whole[name].norm().clamp(min=1e-9)) for name in whole)
    if get_rank() == 0:
        print(f"loss {abs(loss - whole_loss) / whole_loss:.2e} gradient {difference:.2e}")
    destroy_process_group()


if __name__ == "__main__":
    main()
