// Takes the pictures of the documentation: node screenshots.mjs FOLDER TARGET VIEW...
// A view is the name of a sample, or that and "-dark" or "-phone".
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { findChromium } from "./chromium.mjs";

const [folder, target, ...views] = process.argv.slice(2);
mkdirSync(target, { recursive: true });
const browser = await chromium.launch({ executablePath: findChromium(), args: ["--no-sandbox"] });
for (const view of views) {
  const name = view.replace(/-(dark|phone)$/, "");
  const page = await browser.newPage({
    colorScheme: view.endsWith("-dark") ? "dark" : "light",
    viewport: { width: view.endsWith("-phone") ? 375 : 700, height: 400 },
  });
  await page.goto(pathToFileURL(join(resolve(folder), `${name}.html`)).href);
  await page.screenshot({ path: join(target, `${view}.png`), fullPage: true });
  await page.close();
}
await browser.close();
