#!/usr/bin/python3
"""The layer and style test: reads layers.toml, checks the tree, names each place and its remedy.

An exception is asked for on the line itself or on the one above, with its reason:
    // tidy: allow(<rule>) <reason>
"""

import argparse
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

import cpp_rules  # noqa: E402  (the modules beside this script come after the path is set)
import tree_rules  # noqa: E402
from tree import Tree  # noqa: E402

RULES = (
    cpp_rules.includes, cpp_rules.third_party, cpp_rules.sizes, cpp_rules.function_length,
    cpp_rules.banned_names, cpp_rules.banned_text, cpp_rules.file_names, cpp_rules.guards,
    cpp_rules.reasons, tree_rules.targets, tree_rules.modules, tree_rules.readmes,
    tree_rules.links, tree_rules.secret_arguments,
)


def check(tree, rules=RULES):
    """All findings of `rules`, those with an exception left out, in file order."""
    found = set()
    for rule in rules:
        for finding in rule(tree):
            source = tree.by_path.get(finding.path)
            if source is None or not source.allows(finding.line, finding.rule):
                found.add(finding)
    return sorted(found)


def load(root, layers=None):
    """The tree under `root` with the rules of its own layers.toml, or of `layers`."""
    layers = Path(layers) if layers else Path(root) / "tools/tidy/layers.toml"
    return Tree(root, tomllib.loads(layers.read_text(encoding="utf-8")))


def main():
    home = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", default=home, help="the tree to check (default: this one)")
    parser.add_argument("--layers", help="rules to use instead of the tree's own layers.toml")
    parser.add_argument("--write", action="store_true",
                        help="write the module table of docs/ARCHITECTURE.md, then check")
    options = parser.parse_args()
    tree = load(options.root, options.layers)
    if options.write and tree_rules.write_module_table(tree):
        print(f"{tree_rules.ARCHITECTURE}: module table written")
        tree = load(options.root, options.layers)
    findings = check(tree)
    for finding in findings:
        print(finding)
    print(f"tidy: {len(tree.sources)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
