// Takes pictures of previews: node screenshots.mjs FOLDER TARGET NAME...
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { findChromium } from "./chromium.mjs";

const [folder, target, ...names] = process.argv.slice(2);
const views = [
  ["light", 700, ""],
  ["dark", 700, "-dark"],
  ["light", 375, "-phone"],
];
mkdirSync(target, { recursive: true });
const browser = await chromium.launch({ executablePath: findChromium(), args: ["--no-sandbox"] });
for (const [colorScheme, width, suffix] of views) {
  const page = await browser.newPage({ colorScheme, viewport: { width, height: 640 } });
  for (const name of names) {
    await page.goto(pathToFileURL(join(resolve(folder), `${name}.html`)).href);
    await page.screenshot({ path: join(target, `${name}${suffix}.png`), fullPage: process.env.FULL === "1" });
  }
  await page.close();
}
await browser.close();
