"""Tables of a likelihood-shift study."""

VERSION = 3
