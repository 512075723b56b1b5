"""Research with the library: many runs trained, evaluated and compared. Not in the wheel."""
