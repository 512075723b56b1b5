"""The paper's table: many runs on many data sets, with the field's published numbers."""
