"""dedupaudit finds duplicate IDs, explains them, and says what it did not look at."""

__version__ = "0.1.0"
