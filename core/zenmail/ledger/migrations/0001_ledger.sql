-- SQLite and PostgreSQL both run this. Moments are seconds since 1970, by the database's clock.

CREATE TABLE mails (
    id TEXT PRIMARY KEY,                -- sorts by age
    alerter TEXT NOT NULL,              -- whose mail it is: nobody else sends it
    policy TEXT NOT NULL,               -- at_most_once or at_least_once
    created DOUBLE PRECISION NOT NULL,
    sender TEXT NOT NULL,               -- of the envelope
    subject TEXT NOT NULL,              -- for lists
    content TEXT NOT NULL               -- the mail as JSON, attachments included
);

-- Mails that are sent for the first time. A row goes when that has ended, to `mails` if need be.
CREATE TABLE under_way (
    slot INTEGER PRIMARY KEY,           -- any free number: an index of names would cost a third
    id TEXT NOT NULL,
    alerter TEXT NOT NULL,
    policy TEXT NOT NULL,
    created DOUBLE PRECISION NOT NULL,
    sender TEXT NOT NULL,
    subject TEXT NOT NULL,
    content TEXT NOT NULL,
    recipients TEXT NOT NULL,           -- a list, as JSON
    owner TEXT NOT NULL,                -- the process that sends it, until the lease ends
    lease DOUBLE PRECISION NOT NULL
);

-- Who has still to get a mail. A row goes when its mail is delivered.
CREATE TABLE deliveries (
    mail TEXT NOT NULL,
    recipient TEXT NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,                -- waiting, sending, unknown, failed or aside
    owner TEXT NOT NULL DEFAULT '',     -- the process that has it, until the lease ends
    lease DOUBLE PRECISION NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    not_before DOUBLE PRECISION NOT NULL DEFAULT 0,
    transport TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    code TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (mail, recipient)
);

-- The alerts of one run to one set of recipients.
CREATE TABLE storms (
    id TEXT PRIMARY KEY,
    alerter TEXT NOT NULL,
    thread TEXT NOT NULL,
    sole TEXT NOT NULL,                 -- the process that all its alerts came from, or ''
    last_alert DOUBLE PRECISION NOT NULL,
    held INTEGER NOT NULL DEFAULT 0,    -- alerts that wait for a digest
    digests INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL DEFAULT '',     -- the process that sends a digest, until the lease ends
    lease DOUBLE PRECISION NOT NULL DEFAULT 0,
    content TEXT NOT NULL               -- what was held back, as JSON
);
CREATE INDEX storms_by_thread ON storms (alerter, thread);

-- Events that somebody has been told of, or is being told.
CREATE TABLE told (
    alerter TEXT NOT NULL,
    event TEXT NOT NULL,
    created DOUBLE PRECISION NOT NULL,
    lease DOUBLE PRECISION,             -- until when somebody is telling it; NULL once told
    PRIMARY KEY (alerter, event)
);
