"""Measure the effects of training data and prompts on a language model's behaviour."""

__version__ = "0.1.0"
