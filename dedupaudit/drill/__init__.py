"""Concurrent writers against each protection, in a scratch schema that is taken away again."""
