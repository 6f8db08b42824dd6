"""A static site of a study: its figures, its rows and its transcripts, which opens from a folder and needs no server."""
