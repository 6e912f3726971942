"""Modules of the Config, Basic and Form Post Basic plans, and those of other plans that need no registration endpoint."""
