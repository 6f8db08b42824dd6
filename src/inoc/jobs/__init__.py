"""Jobs: their inputs, paths, progress, locks and manifests."""
