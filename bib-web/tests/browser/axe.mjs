// What axe-core says of a page.
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What is wrong with the page as it stands, in light and dark colours; `name` is what it is called. */
export const violations = async (page, name) => {
  const failures = [];
  await page.evaluate(axe);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    for (const violation of found.violations) {
      const where = violation.nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join("\n    ");
      failures.push(`${name}, ${colorScheme}: ${violation.id}: ${violation.help}\n    ${where}`);
    }
  }
  return failures;
};
