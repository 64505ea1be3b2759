"""Embedders as workers on a Ray cluster, on this machine or others."""
