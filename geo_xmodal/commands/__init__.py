"""The commands of `geo-xmodal`: parse, call the public API, print."""
