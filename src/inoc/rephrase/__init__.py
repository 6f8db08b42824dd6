"""Pools of rephrasings, from which a `mix` draws its prefixes."""

VERSION = 1
