"""Engines: from prompts to SQL text."""
