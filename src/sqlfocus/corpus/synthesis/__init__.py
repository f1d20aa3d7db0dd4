"""Question–SQL pairs from any database, with no model and no network: see ``synthesis.synthesize``."""
