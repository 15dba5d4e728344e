"""The web app: Streamlit pages, files, uploads and jobs on one port; it uses the public API only."""
