// No page is wider than a narrow window, whatever is open on it. With BIB_SHOTS, pictures of all of them for people.
import { tooWide } from "../narrow.mjs";
import { open, pages } from "../pages.mjs";
import { picture, widths } from "../pictures.mjs";
import { check } from "../watch.mjs";

export const run = async (journey) => {
  const { page, base, other } = journey;
  const all = Object.entries(await pages(page, base, other));
  const failures = [];
  for (const width of widths) {
    await page.setViewportSize({ width, height: 800 });
    for (const [name, one] of all) {
      await open(journey, name, one);
      await picture(page, name);
      for (const opened of [false, true]) {
        if (opened) await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
        for (const what of await tooWide(page)) failures.push(`${name} at ${width}${opened ? ", opened" : ""}: ${what}`);
      }
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  check(failures.length === 0, failures.join("\n"));
};
