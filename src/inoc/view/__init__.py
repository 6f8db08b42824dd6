"""A static site of a study: its figures, rows and transcripts. It opens from its folder, without a server."""
