"""Fine-tuning: from examples to an adapter."""
