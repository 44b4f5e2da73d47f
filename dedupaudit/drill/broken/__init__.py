"""Backends with the textbook's holes, one file each: for the drill only, which shows what they do."""
