"""The real-film relation benchmark: what reports and films without planted truth can ask."""
