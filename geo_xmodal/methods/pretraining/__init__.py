"""How two encoders learn from pairs without labels: their networks, views and losses."""
