"""A web service with a database, and every request as one tree."""
