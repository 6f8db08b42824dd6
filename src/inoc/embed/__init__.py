"""Sentence embeddings: where each prompt and its rephrasings lie in the space of a text encoder."""

VERSION = 1
