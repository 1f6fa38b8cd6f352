"""Small pretrained models made from text or images at hand: one file per objective."""
