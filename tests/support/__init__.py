"""What several tests share: a toy study, made-up tables, servers and checkouts."""
