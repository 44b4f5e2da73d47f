"""The preflight checks, in the order in which they are told."""
