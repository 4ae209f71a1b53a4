"""Jobs."""
import streamlit as st
st.title("Start a run")
