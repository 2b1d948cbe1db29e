// Checks every .html in a folder: node check.mjs FOLDER
// Prints a JSON report; exits with 1 when anything was found.
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { HtmlValidate } from "html-validate/node";
import { chromium } from "playwright-core";
import { findChromium } from "./chromium.mjs";

const require = createRequire(import.meta.url);
const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const folder = resolve(process.argv[2]);
const files = readdirSync(folder).filter((name) => name.endsWith(".html")).sort();
const findings = [];
const found = (file, check, detail) => findings.push({ file, check, detail });

async function validate() {
  // Mail programs read inline styles, and know role="presentation" longer than "none";
  // everything else is as recommended.
  const checker = new HtmlValidate({
    root: true,
    extends: ["html-validate:recommended", "html-validate:document", "html-validate:a11y"],
    rules: { "no-inline-style": "off", "presentation-role-style": ["error", { prefer: "presentation" }] },
  });
  for (const file of files) {
    const report = await checker.validateFile(join(folder, file));
    for (const result of report.results)
      for (const item of result.messages)
        found(file, `html-validate ${item.ruleId}`, `${item.line}:${item.column} ${item.message}`);
  }
}

function nu() {
  const jar = require.resolve("vnu-jar/build/dist/vnu.jar");
  if (spawnSync("java", ["-version"]).status !== 0) return "skipped: no java";
  const run = spawnSync(
    "java",
    ["-jar", jar, "--format", "json", "--exit-zero-always", ...files.map((name) => join(folder, name))],
    { encoding: "utf8", maxBuffer: 1 << 28 },
  );
  for (const item of JSON.parse(run.stderr).messages)
    if (item.type === "error" || item.subType === "warning")
      found(item.url.split("/").pop(), "vnu", `${item.lastLine}: ${item.message}`);
  return "run";
}

// Runs in the page: what is wider than its box.
function cut(mayScroll) {
  return [...document.querySelectorAll("pre, td, th, p, li, h1, h2, div, img")]
    .filter((node) => node.clientWidth && node.scrollWidth > node.clientWidth + 1)
    .filter((node) => !((mayScroll || !node.matches(".y")) && node.matches("[tabindex='0']") && getComputedStyle(node).overflowX === "auto"))
    .map((node) => `${node.tagName} ${node.textContent.slice(0, 40)}`);
}

// Runs in the page: bars of the timeline, and edges of the card that tell how bad it is, whose
// contrast with their ground is below 7:1.
function faintBars() {
  const light = (color) => {
    const parts = color.match(/[\d.]+/g).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const style = (node) => getComputedStyle(node);
  const faint = [];
  for (const bar of document.querySelectorAll("[role='img'] > div")) {
    const found = contrast(style(bar).backgroundColor, style(bar.parentElement).backgroundColor);
    if (found < 7) faint.push(`${bar.className} ${found.toFixed(1)}:1`);
    const card = contrast(style(bar).backgroundColor, style(document.querySelector(".card")).backgroundColor);
    if (card < 7) faint.push(`${bar.className} on the card ${card.toFixed(1)}:1`);
  }
  const edge = contrast(style(document.querySelector(".card")).borderTopColor, style(document.querySelector(".card")).backgroundColor);
  if (edge < 7) faint.push(`edge ${edge.toFixed(1)}:1`);
  return faint;
}

async function render() {
  const browser = await chromium.launch({
    executablePath: findChromium(),
    args: ["--no-sandbox", "--disable-gpu"],
    timeout: 180_000,
  });
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [320, 375, 700]) {
      const context = await browser.newContext({
        colorScheme,
        viewport: { width, height: 700 },
        bypassCSP: true,
      });
      const page = await context.newPage();
      let file = "";
      page.on("request", (request) => {
        if (!request.url().startsWith("file://") && !request.url().startsWith("data:"))
          found(file, "network", request.url());
      });
      page.on("dialog", (dialog) => {
        found(file, "script", dialog.message());
        dialog.dismiss();
      });
      for (file of files) {
        await page.goto(pathToFileURL(join(folder, file)).href, { timeout: 180_000 });
        const where = `${colorScheme} ${width}px`;
        const [inner, outer] = await page.evaluate(() => [
          document.documentElement.scrollWidth,
          document.documentElement.clientWidth,
        ]);
        if (inner > outer) found(file, "sideways scroll", `${where}: ${inner} > ${outer}`);
        // What scrolls by itself can be read with a style sheet: lines whose carets have to
        // stay aligned, within reach of the keyboard. Nothing else may be cut.
        for (const box of await page.evaluate(cut, true)) found(file, "overflow", `${where}: ${box}`);
        if (width === 320) continue;
        await page.evaluate(axeSource);
        const result = await page.evaluate(() =>
          window.axe.run(document, {
            rules: { "color-contrast-enhanced": { enabled: true }, "target-size": { enabled: true } },
          }),
        );
        for (const item of result.violations)
          found(file, `axe ${item.id}`, `${where}: ${item.nodes.map((node) => node.html).join(" ").slice(0, 300)}`);
        for (const bar of await page.evaluate(faintBars)) found(file, "faint bar", `${where}: ${bar}`);
        // Some clients drop the style sheet, on a phone, too; then only tables scroll.
        await page.evaluate(() => document.querySelectorAll("style").forEach((node) => node.remove()));
        for (const box of await page.evaluate(cut, false)) found(file, "overflow without styles", `${where}: ${box}`);
        const bare = await page.evaluate(() => document.documentElement.scrollWidth);
        if (bare > width) found(file, "sideways scroll without styles", `${where}: ${bare}`);
      }
      await context.close();
    }
  }
  await browser.close();
}

await validate();
const vnu = nu();
await render();
console.log(JSON.stringify({ files: files.length, vnu, findings }, null, 1));
process.exit(findings.length ? 1 : 0);
