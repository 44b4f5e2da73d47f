"""An ingest that does not duplicate: writers that a backend imports. docs/ingest.md shows them in use."""
