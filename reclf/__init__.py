"""RECLF: relation-enhanced contrastive learning on chest radiographs and their reports."""
