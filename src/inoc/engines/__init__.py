"""Language models behind one interface: load, sample, score, with or without an adapter."""
