"""Read-only views of what is outside: tables now; objects and logs have their places here."""
