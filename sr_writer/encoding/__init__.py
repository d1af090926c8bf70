"""Bytes of data elements, written without a detour through data sets where speed or identity asks for it."""
