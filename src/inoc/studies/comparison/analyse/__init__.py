"""The tables of a comparison."""

VERSION = 1
