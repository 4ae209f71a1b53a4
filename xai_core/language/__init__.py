"""What a judge says about the maps of a run: opinion beside the measurements (SPEC.md)."""
