"""What is written down and may not be altered quietly: ledgers in SQLite whose entries are chained by hash."""
