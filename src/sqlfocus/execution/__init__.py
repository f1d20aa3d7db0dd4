"""May this SQL run, and running it within limits."""
