"""The figures of a likelihood-shift study."""
