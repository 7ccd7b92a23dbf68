"""What the commands of bench/ share: starting peers on their cores, load on them, and reading."""
