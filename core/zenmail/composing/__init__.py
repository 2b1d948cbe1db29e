"""An alert made a mail: redacted, rendered, addressed."""
