"""The sample database, its hand-written questions, and the demo that runs the whole chain."""
