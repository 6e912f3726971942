"""Attacks that worked on other products, each tried here; all of them must fail."""
