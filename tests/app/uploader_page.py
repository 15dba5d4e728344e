"""A page with the upload field alone."""

import streamlit as st

from geo_xmodal_app.uploader import upload_files

done = upload_files("A raster", "raster", key="raster", help="GeoTIFF")
if not done:
    st.text("nothing yet")
for one in done:
    st.text(f"whole: {one.name}, {one.size} bytes")
if st.button("again"):
    st.text("the page ran again")
