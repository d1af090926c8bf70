"""What modalities and information systems say of procedures: steps (MPPS), what is available (IAN), and worklists."""

MODALITY_PERFORMED_PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"
INSTANCE_AVAILABILITY_NOTIFICATION = "1.2.840.10008.5.1.4.33"
MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
