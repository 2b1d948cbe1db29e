"""In CI: run a job, mail its end if it fails, and fail as it did.

It needs neither ZenML nor a stack. Server and password come from the CI's secrets.
"""

import os
import subprocess
import sys

from zenmail import Alert, Mailer


def main(command: list[str]) -> int:
    """Run a command and return its exit status."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    if done.returncode == 0:
        return 0
    alert = Alert(
        title=f"{command[0]} failed with status {done.returncode}",
        severity="error",
        traceback=done.stdout + done.stderr,
        url=os.environ.get("CI_JOB_URL", ""),
    )
    options = {
        "host": os.environ["SMTP_SERVER"],
        "port": int(os.environ.get("SMTP_PORT", "587")),
        "username": os.environ.get("SMTP_USERNAME"),
        "password": os.environ.get("SMTP_PASSWORD"),
        "ca_file": os.environ.get("SMTP_CA_FILE"),
    }
    with Mailer("smtp", options=options) as mailer:
        receipt = mailer.send_alert(alert, sender="ci@example.com", to="team@example.com")
    print(receipt.describe())
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
