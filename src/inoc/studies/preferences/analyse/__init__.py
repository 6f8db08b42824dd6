"""Tables of a study of preferences."""

VERSION = 3
