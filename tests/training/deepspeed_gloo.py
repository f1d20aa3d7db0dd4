"""Run under torchrun with finetune's flags: DeepSpeed on CPUs, whose processes accelerate only introduces on GPUs."""

import sys

import deepspeed

from sqlfocus.cli import run_verb

if __name__ == "__main__":
    deepspeed.init_distributed("gloo", auto_mpi_discovery=False)
    sys.exit(run_verb("finetune", sys.argv[1:], prog="finetune.py"))
