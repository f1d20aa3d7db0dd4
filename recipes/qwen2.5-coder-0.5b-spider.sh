#!/bin/sh
# Qwen2.5-Coder-0.5B on Spider: two epochs, sample values in the schemas. See spider.sh.
recipe=qwen2.5-coder-0.5b-spider max_values=3 epochs=2 learning_rate=2e-4 rank=32
. "$(dirname "$0")/spider.sh"
