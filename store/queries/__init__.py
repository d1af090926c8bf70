"""What people ask of the tables: read-only, one module a subject, each answer as records of `domain.records`."""
