"""The role that every process of the node works as: INSERT and SELECT on the trail, owner of nothing."""

APPLICATION_ROLE = "dicom_node_app"
