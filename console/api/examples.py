"""Examples of answers for the document, of no real node; a test holds each against the schema of its answer.

The framework leaves out of them what is null: so nothing is.
"""

from pydantic.config import JsonDict

_AT = "2026-03-02T08:15:00+00:00"
_PAUSE: JsonDict = {
    "kind": "destination",
    "name": "PACS",
    "since": _AT,
    "reason": "the archive moves",
    "paused_by": "operator-1",
}
_STUDY = "0f5a3d1c-6c2e-4a56-9f5a-3d1c3d1e7c40"
_LETTER: JsonDict = {
    "id": 7,
    "reader": "results",
    "event_id": "5d1b0f0e-2b57-4b6e-9a51-0e9f6b1f0c11",
    "study_id": _STUDY,
    "error": "no space left on the device",
    "attempts": 5,
    "at": _AT,
    "replayed_at": "2026-03-02T09:30:00+00:00",
}
_MODEL: JsonDict = {
    "name": "ct_lung",
    "version": "1.1.0",
    "title": "Volumes of the lungs",
    "manufacturer": "dicom-node",
    "licence": "Apache-2.0",
    "digest": "9b1c" * 16,
    "signature": "signed by site (3f2a9c1d5e7b8a60)",
    "demonstration": True,
    "product": False,
    "paused": {**_PAUSE, "kind": "model", "name": "ct_lung", "reason": "under review"},
}
QUEUE: JsonDict = {
    "kind": "destination",
    "name": "PACS",
    "paused": _PAUSE,
    "work": [
        {
            "what": "results",
            "waiting": 12,
            "tried": 2,
            "working": 0,
            "oldest": _AT,
            "next_attempt": "2026-03-02T08:20:00+00:00",
            "size": 48_120_552,
        },
    ],
}
WAITING: JsonDict = {
    "id": "c0b7a9c4-9a0a-4a53-8f5b-1f3c1d2e7a11",
    "what": "results",
    "study_id": _STUDY,
    "state": "pending",
    "reason": "waits to be sent",
    "since": _AT,
    "attempts": 0,
    "not_before": _AT,
    "asked_at": _AT,
}
LETTER_ENTRY = _LETTER
LETTER: JsonDict = {**_LETTER, "message": '{"specversion": "1.0", "type": "inference.completed"}'}
MODELS: JsonDict = {
    "models": [_MODEL],
    "broken": [{"name": "ct_liver", "faults": ["ct_liver/manifest.toml:12: network.file: there is no such file"]}],
}
MODEL: JsonDict = {
    **_MODEL,
    "inputs": [{"name": "ct", "conditions": ["volumes (slices that make one)", "modality CT"]}],
    "steps": [{"sort": "network", "what": "network.onnx", "how": "onnx, reads image (1 x 1 x any), gives mask"}],
    "outputs": [{"sort": "segment", "what": "left lung", "how": "left Lung (SCT 39607008)"}],
    "card": "# Volumes of the lungs\n\n## What it is for\n...",
}
FIGURES: JsonDict = {
    "since": "2026-03-02T00:00:00+01:00",
    "studies": {"receiving": 1, "complete": 412, "amended": 0, "archived": 0, "stuck": 2},
    "received": 37,
    "runs": {"ct_lung": {"succeeded": 31, "not_suitable": 4, "running": 1}},
    "results": {"SEG": 31, "SR": 31},
    "deliveries": {"PACS": {"committed": 29, "pending": 2}},
    "dead_letters": 0,
    "refusals": {"callers": 1, "instances": 0},
}
_DESCRIBED: JsonDict = {
    "name": "PACS",
    "address": "PACS@10.1.0.10:104",
    "profile": "default",
    "accepted": [["1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.1.2.1"]],
    "choices": [
        {
            "kind": "SR",
            "sop_class": "1.2.840.10008.5.1.4.1.1.88.22",
            "transfer_syntax": "1.2.840.10008.1.2.1",
            "why": "it takes no Comprehensive 3D SR",
        }
    ],
    "implementation": "ARCHIVE_9",
    "error": "",
}
DESTINATION: JsonDict = {**_DESCRIBED, "configured": True, "seen_at": _AT, "tried_at": _AT, "paused": _PAUSE}
PROBE: JsonDict = {**_DESCRIBED, "max_pdu": 16384, "kept": True, "why_not_kept": ""}

ENTRY: JsonDict = {
    "at": "2026-11-30T09:12:44.120934+00:00",
    "by": {"role": "serve", "host": "node-1"},
    "study": _STUDY,
    "action": "study held",
    "number": 4711,
    "details": {"user": "bob", "reason": "complaint 12"},
}
_HASH = "Qm7Yx1kq1b9c7mZ3Z1Jm8lq0mJ2b2Q0o3cZ9b7lJ0aM="
PROOF: JsonDict = {
    "number": 4711,
    "entry": '{"action":"study held","at":"2026-11-30T09:12:44.120934+00:00",...}',
    "hash": "5a0f1d5c4b0c3d2e1f00112233445566778899aabbccddeeff00112233445566",
    "proof": [_HASH, _HASH],
    "checkpoint": f"dicom-node/5b1c...\n4720\n{_HASH}\n\n— dicom-node/5b1c...#1 3q2+7w...\n",
    "cosignatures": [],
}
USER: JsonDict = {
    "id": "0b0a4a52-6f0c-4c3d-9d0f-6b7f4f0f2c11",
    "name": "alice",
    "source": "local",
    "subject": "",
    "roles": ["radiologist"],
    "bounds": {"destinations": ["PACS"], "departments": []},
    "made_at": "2026-11-30T09:00:00+00:00",
    "password_set_at": "2026-11-30T10:30:00+00:00",
    "disabled_at": "2027-02-01T12:00:00+00:00",
    "invited_until": "2026-12-01T09:00:00+00:00",
}
INVITED: JsonDict = {**USER, "token": "dni_...", "holds_seconds": 86400.0}
API_KEY: JsonDict = {
    "id": "7d1e0f6a-1f6b-4b55-8a3e-0d5a9a0f7c22",
    "name": "worklist",
    "scopes": ["studies:read"],
    "bounds": {"destinations": [], "departments": []},
    "made_at": "2026-11-30T09:00:00+00:00",
    "made_by": "bob",
    "until": "2027-11-30T09:00:00+00:00",
    "revoked_at": "2027-02-01T12:00:00+00:00",
}
MADE_KEY: JsonDict = {**API_KEY, "key": "dnk_..."}
SETTING: JsonDict = {
    "name": "listener.port",
    "value": 11112,
    "origin": "/etc/dicom-node/node.toml",
    "about": "TCP port (11112 is registered for DICOM); 0 takes a free one",
}
