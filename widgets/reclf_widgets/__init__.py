"""Pictures of local-matchings, semantic relations and importance weights."""
