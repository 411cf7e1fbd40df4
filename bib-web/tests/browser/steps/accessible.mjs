// axe-core on every page, light and dark, wide and narrow.
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { check } from "../watch.mjs";

const pages = [
  "/",
  "/datasets",
  "/datasets?text=nothing-fits-this",
  "/datasets/flights/nyc",
  "/topics",
  "/topics/flights",
  "/topics/flights?ask=unsubscribe",
  "/nodes",
  "/audit",
  "/login",
];

export const run = async ({ page, base }) => {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  const failures = [];
  for (const width of [1280, 320]) {
    await page.setViewportSize({ width, height: 800 });
    for (const path of pages) {
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        await page.goto(base + path);
        await page.evaluate(axe);
        const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
        for (const violation of found.violations) {
          const where = violation.nodes.map((node) => `${node.html} ${node.failureSummary}`).join("\n    ");
          failures.push(`${path} ${colorScheme} ${width}: ${violation.id}: ${violation.help}\n    ${where}`);
        }
      }
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  check(failures.length === 0, failures.join("\n"));
};
