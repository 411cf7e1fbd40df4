// axe-core on every page, light and dark, wide and narrow.
import { violations } from "../axe.mjs";
import { open, pages } from "../pages.mjs";
import { check } from "../watch.mjs";

export const run = async (journey) => {
  const { page, base, other } = journey;
  const all = Object.entries(await pages(page, base, other));
  const failures = [];
  for (const width of [1280, 320]) {
    await page.setViewportSize({ width, height: 800 });
    for (const [name, one] of all) {
      await open(journey, name, one);
      failures.push(...(await violations(page, `${name} at ${width}`)));
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  check(failures.length === 0, failures.join("\n"));
};
