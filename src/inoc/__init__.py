"""What training data and prompts do to a language model's behaviour, measured so that it holds."""

__version__ = "0.1.0"
