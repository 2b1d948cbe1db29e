// Checks pages of the built site: node site.mjs SITE PAGE...
// Prints a line for each finding: what axe finds, what is fetched from elsewhere, what is wider
// than the screen; at desktop and phone size, light and dark.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { findChromium } from "./chromium.mjs";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const [site, ...pages] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: findChromium(),
  args: ["--no-sandbox", "--disable-gpu"],
  timeout: 180_000,
});
for (const colorScheme of ["light", "dark"])
  for (const [width, height] of [[1280, 900], [375, 800]]) {
    const context = await browser.newContext({ colorScheme, viewport: { width, height }, bypassCSP: true });
    const page = await context.newPage();
    const local = /^(file|data|blob):/;
    page.on("request", (request) => local.test(request.url()) || console.log(`fetched: ${request.url()}`));
    for (const name of pages) {
      const found = (text) => console.log(`${name}, ${colorScheme}, ${width} px: ${text}`);
      await page.goto(pathToFileURL(join(resolve(site), name)).href, { timeout: 180_000 });
      await page.evaluate(axeSource);
      for (const item of (await page.evaluate(() => window.axe.run())).violations)
        found(`${item.id}: ${item.nodes[0].html.slice(0, 200)}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      if (wide > width) found(`${wide} px wide`);
    }
    await context.close();
  }
await browser.close();
