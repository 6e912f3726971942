"""One file a check, named after the module of the OpenID Foundation's suite that checks the same."""
