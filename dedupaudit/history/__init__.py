"""Runs that are kept: what is new, what is gone, what is still there, and the trend."""
