"""Experiments that choose their own measurements: candidates, surrogates, policies, instruments, and the loop."""
