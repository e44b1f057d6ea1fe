"""What can be asked of the record: one file for each interaction of http://hl7.org/fhir/R4/http.html."""
