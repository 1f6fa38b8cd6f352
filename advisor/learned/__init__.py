"""What measurements taught: a prediction with a probability, from an artefact that is only read.

`harness calibrate --evidence-only` fits it; here it is evaluated, without numpy. `basis` says what of
a situation the model looks at (fit and advice share it), `artefact` reads the file, `posterior`
turns it into differences between strategies with their uncertainty, `outlook` into probabilities.
"""
