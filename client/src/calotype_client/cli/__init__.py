"""The `calotype` command, as far as it is the client's."""
