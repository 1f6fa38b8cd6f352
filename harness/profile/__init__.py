"""What is known of a model and data before anything is trained, domain shift measured included."""
