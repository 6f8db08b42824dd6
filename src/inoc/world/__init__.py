"""The miniature world: a procedural corpus, and a small chat model pre-trained on it from scratch."""

VERSION = 1
