"""Orthanc by its REST API: a destination of results, an archive that is asked, and a source whose changes are followed.

`rest` alone knows its paths and answers. Everything that it says is judged before it is used: it may be another server
that listens there, or one behind a proxy that answers in its stead.
"""
