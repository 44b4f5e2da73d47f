"""A thin file a command: parse, call, render."""
