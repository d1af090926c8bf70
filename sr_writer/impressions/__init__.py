"""A study's impression as an object of its own: as a report, as plain text, or as a page where no report is shown."""
