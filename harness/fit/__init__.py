"""Fits the learned advisor to evidence and validates it on sources that were left out.

`observations` turns evidence into rows of numbers, `model` fits a hierarchical linear model to the
differences inside contexts, `validate` predicts what was left out, `rivals` do the same by simpler
means, `scores` compares, `artefact` writes what `advise` reads, `report` tells it.
"""
