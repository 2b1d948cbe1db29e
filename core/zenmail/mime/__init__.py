"""The bytes of a mail: RFC 5322 headers and MIME parts."""
