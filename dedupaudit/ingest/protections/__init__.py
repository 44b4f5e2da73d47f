"""Four ways to have one winner; the unique constraint is beneath each of them."""
