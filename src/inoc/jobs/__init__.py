"""Jobs: what a verb is given, where its files are, how far it is, and what it leaves behind."""
