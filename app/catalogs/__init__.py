"""Catalogs, defect classes, support photos and their prototypes."""
