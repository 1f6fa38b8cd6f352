"""One file per way of adapting a model; `base.py` is what they have in common."""
