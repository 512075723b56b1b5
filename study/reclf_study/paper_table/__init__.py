"""The paper's table: a suite file in; trainings and tasks as cells; table.json, csv and tex out."""
