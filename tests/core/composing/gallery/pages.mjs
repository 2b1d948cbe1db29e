// Says what a reader of each .html in a folder sees on a phone: node pages.mjs FOLDER
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { findChromium } from "./chromium.mjs";

const folder = resolve(process.argv[2]);
const files = readdirSync(folder).filter((name) => name.endsWith(".html")).sort();
const browser = await chromium.launch({ executablePath: findChromium(), args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage({ viewport: { width: 375, height: 667 } });
const report = {};
for (const file of files) {
  await page.goto(pathToFileURL(join(folder, file)).href);
  report[file.replace(".html", "")] = await page.evaluate(() => {
    const lines = (range) => new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size;
    const title = document.createRange();
    title.selectNodeContents(document.querySelector("h1"));
    const box = document.querySelector("[class^='k r']");
    const traceback = document.querySelector("pre.k");
    const broken = [];
    for (const cell of document.querySelectorAll(".d td, .d th")) {
      const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode())
        for (const match of node.data.matchAll(/\S+/g)) {
          const word = document.createRange();
          word.setStart(node, match.index);
          word.setEnd(node, match.index + match[0].length);
          if (lines(word) > 1) broken.push(match[0]);
        }
    }
    const before = document.createRange();
    before.selectNodeContents(document.querySelector("main"));
    if (traceback) before.setEndBefore(traceback);
    return {
      titleLines: lines(title),
      fold: document.querySelector("summary")?.getBoundingClientRect().top ?? null,
      errorTop: box ? box.getBoundingClientRect().top : null,
      broken,
      inbox: document.body.textContent.trim().slice(0, 140),
      before: before.toString(),
    };
  });
}
await browser.close();
console.log(JSON.stringify(report));
