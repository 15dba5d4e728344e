"""One grid, many sensors: what a scene is, and how its files are opened, aligned, labelled and split."""
