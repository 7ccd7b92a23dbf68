"""How Sluice behaves when servers are slow, full, half dead or gone: the cases of `show`."""
