"""Tables of a study of subliminal learning."""

VERSION = 2
