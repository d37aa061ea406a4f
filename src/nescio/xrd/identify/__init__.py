"""Which phases a measured pattern holds, how much of each, and what is left over."""
