"""What things are: frozen values and the rules that need no I/O."""
