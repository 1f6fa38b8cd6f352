"""Where labelled data comes from, and what is checked before anything is trained on it."""
