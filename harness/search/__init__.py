"""Budgeted search: trials of all strategies compete for one budget.

`space` says what can be tried, `budget` what it may cost, `curves` predicts scores at sizes that were
not measured, `decide` says what is known so far, `policy` chooses the next trial, `loop` carries a
search out and `outcome` tells its result. docs/search.md says it in words.
"""
