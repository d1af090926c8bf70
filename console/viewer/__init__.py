"""`dicom-node viewer`: results in OHIF on this machine."""
