"""Prompts that ask for more numbers of a sequence, and the filter of answers to them."""
