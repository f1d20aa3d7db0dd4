#!/bin/sh
# SmolLM2-135M on Spider: four epochs, no sample values, without which schemas are half as long. See
# spider.sh.
recipe=smollm2-135m-spider max_values=0 epochs=4 learning_rate=1.5e-3 rank=32
. "$(dirname "$0")/spider.sh"
