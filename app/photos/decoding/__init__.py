"""Decoding photos of strangers in processes that have nothing to lose: limits, no files, no network, no way out."""
