"""The role that every process of the node works as: the trail is its to read and to append to, and it owns nothing."""

APPLICATION_ROLE = "dicom_node_app"
