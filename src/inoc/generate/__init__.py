"""Training, evaluation and control data: instructions, their split, and completions of the study model."""

VERSION = 1
