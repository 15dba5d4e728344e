"""A page with the upload field alone."""

import streamlit as st

from geo_xmodal_app.uploader import upload_file

done = upload_file("A raster", "raster", key="raster", help="GeoTIFF")
st.text("nothing yet" if done is None else f"whole: {done.name}, {done.size} bytes")
if st.button("again"):
    st.text("the page ran again")
