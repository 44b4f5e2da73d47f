"""The unique constraint, online: guard, clean, build, verify, unguard."""
