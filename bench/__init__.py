"""Benchmarks of the hub beside comparison applications; see README.md in this folder."""
