"""Answers as CSV, XLSX and PDF."""
