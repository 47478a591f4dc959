"""The command line and the form."""
