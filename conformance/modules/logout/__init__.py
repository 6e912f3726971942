"""Modules of the RP-Initiated Logout and Back-Channel Logout plans."""
