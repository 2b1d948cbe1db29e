// Reads one JSON string per line, a mail in base64, and answers each with one line: what
// mailparser, which shares no code with zenmail or Python's email package, makes of it.
"use strict";

const readline = require("node:readline");
const { simpleParser } = require("mailparser");

const options = {
  skipHtmlToText: true,
  skipTextToHtml: true,
  skipTextLinks: true,
  skipImageLinks: true,
};

function addresses(field) {
  const list = field ? (Array.isArray(field) ? field : [field]) : [];
  return list.flatMap((one) => one.value).map(({ name, address }) => [name, address]);
}

async function read(line) {
  const mail = await simpleParser(Buffer.from(JSON.parse(line), "base64"), options);
  return {
    headers: mail.headerLines.map(({ key }) => key),
    subject: mail.subject ?? "",
    from: addresses(mail.from),
    to: addresses(mail.to),
    cc: addresses(mail.cc),
    replyTo: addresses(mail.replyTo),
    messageId: mail.messageId,
    date: mail.date ? mail.date.getTime() / 1000 : null,
    text: mail.text ?? "",
    html: mail.html || null,
    attachments: mail.attachments.map((item) => ({
      name: item.filename,
      type: item.contentType,
      cid: item.cid ?? "",
      content: item.content.toString("base64"),
    })),
  };
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await read(line)) + "\n");
  }
})();
