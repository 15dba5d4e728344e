"""geo_xmodal: land-cover maps from a poor sensor, trained with a rich one."""
