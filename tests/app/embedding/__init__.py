"""Tests of app/embedding."""
