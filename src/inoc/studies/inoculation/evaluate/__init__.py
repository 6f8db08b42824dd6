"""Completions of every checkpoint, asked without a prefix, with that of the training, and with others' for the gate."""

VERSION = 1
