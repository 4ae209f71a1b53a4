"""Probes: what a classifier answers when its picture is changed, and what it makes of a picture inside."""
