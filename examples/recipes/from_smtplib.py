"""A function that used smtplib, with the same arguments."""

from zenmail import Email, Mailer

# server = smtplib.SMTP("smtp.example.com", 587); server.starttls(); server.login(...)
OPTIONS = {"host": "smtp.example.com", "port": 587, "username": "me", "password": "secret"}


def send_mail(subject: str, body: str, to: list[str], options: dict = OPTIONS) -> list[str]:
    """Send a mail and return who did not get it."""
    email = Email(sender="alerts@example.com", to=to, subject=subject, text=body)
    with Mailer("smtp", options=options, deadline=30) as mailer:
        receipt = mailer.send(email)
    return [address for address in to if address not in receipt.accepted]


if __name__ == "__main__":
    send_mail("Nightly job done", "12 rows were added.", ["team@example.com"])
