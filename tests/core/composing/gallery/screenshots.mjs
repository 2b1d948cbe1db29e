// Takes pictures of mails: node screenshots.mjs FOLDER TARGET NAME...
// Each at 375 and 700 px, light and dark: TARGET/NAME-375-dark.png and so on.
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { findChromium } from "./chromium.mjs";

const [folder, target, ...names] = process.argv.slice(2);
mkdirSync(target, { recursive: true });
const browser = await chromium.launch({ executablePath: findChromium(), args: ["--no-sandbox", "--disable-gpu"] });
for (const width of [375, 700])
  for (const colorScheme of ["light", "dark"]) {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 400 } });
    for (const name of names) {
      await page.goto(pathToFileURL(join(resolve(folder), `${name}.html`)).href);
      const path = join(target, `${name}-${width}-${colorScheme}.png`);
      await page.screenshot({ path, fullPage: true });
    }
    await page.close();
  }
await browser.close();
