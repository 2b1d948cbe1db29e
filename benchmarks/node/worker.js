// nodemailer in a process of its own, told what to send over standard input.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import nodemailer from "nodemailer";

const { version } = createRequire(import.meta.url)("nodemailer/package.json");
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const setup = JSON.parse((await lines.next()).value);

function connect() {
  return nodemailer.createTransport({
    pool: true,
    maxConnections: 5,
    maxMessages: Infinity,
    host: "localhost",
    port: setup.port,
    secure: false,
    requireTLS: true,
    auth: { user: "user", pass: "not-a-secret" },
    tls: { ca: readFileSync(setup.authority) },
  });
}

function mail(load, number) {
  const to = [setup.recipient];
  for (let other = 2; other <= load.recipients; other += 1) to.push(`person${other}@example.com`);
  return {
    from: setup.sender,
    to,
    subject: `${setup.content.subject} ${number}`,
    text: setup.content.text,
    html: setup.content.html,
    attachments: load.attachment ? [{ path: load.attachment }] : [],
  };
}

let transport = connect();
console.log(JSON.stringify({ release: version }));
for await (const line of lines) {
  const load = JSON.parse(line);
  if (load.cold) {
    transport.close();
    transport = connect();
  }
  const busy = process.cpuUsage();
  const started = process.hrtime.bigint();
  const mails = Array.from({ length: load.count }, (_, number) => mail(load, number));
  await Promise.all(mails.map((item) => transport.sendMail(item)));
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const { user, system } = process.cpuUsage(busy);
  console.log(JSON.stringify({ seconds, cpu: (user + system) / 1e6 }));
}
transport.close();
