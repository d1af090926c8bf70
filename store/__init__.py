"""PostgreSQL and the object store: tables, unit of work, outbox, inbox, jobs, migrations."""
