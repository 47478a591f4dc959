"""Regions: cut a photograph into superpixels and average any map over them."""
