"""Synthetic people of Chengmai county (澄迈) and visitors to Hainan, as FHIR R4."""
