"""Fine-tune, measure, merge and serve a text-to-SQL model of your own."""

__version__ = "0.1.0"
