"""What each prefix draws out of the untrained model: completions with and without it."""

VERSION = 1
