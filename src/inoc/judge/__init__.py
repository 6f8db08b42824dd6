"""Scores of completions, 0 to 100 per trait, by judges that have a name and a version."""

VERSION = 2
