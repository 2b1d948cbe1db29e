import { spawnSync } from "node:child_process";

// The browser of the machine; the variable CHROMIUM names another.
export function findChromium() {
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of names) {
    const which = spawnSync("which", [name], { encoding: "utf8" });
    if (which.status === 0) return which.stdout.trim();
  }
  return undefined;
}
