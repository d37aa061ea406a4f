"""Tools of the developers; nothing of the package needs them."""
