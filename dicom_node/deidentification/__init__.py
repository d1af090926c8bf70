"""Objects without the persons in them (PS3.15 annex E, Basic Application Level Confidentiality Profile).

By a list of what may stay (`domain.leaving`): every other attribute goes, private ones among them. What stays is
judged by its VR in the dictionary: UIDs and ids become keyed pseudonyms, dates are moved, words and terms are those of
`words.txt` and `terms.txt` or are struck out, codes are those of the standard's schemes. `rescan` looks at what came of
it, by other means. Pixels are `inference_worker.blanking`'s.
"""
