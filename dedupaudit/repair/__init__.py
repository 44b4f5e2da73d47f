"""Repairs duplicate rows: plan, quarantine, apply, undo. With migrate/, the only writer of audited tables."""
