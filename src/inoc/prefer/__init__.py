"""Utilities from files of comparisons: the verb `inoc prefer`."""
