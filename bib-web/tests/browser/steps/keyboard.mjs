// By keyboard alone: through the page without a trap, and the content is one key away.
import { check } from "../watch.mjs";

export const run = async ({ page, base }) => {
  await page.goto(`${base}/topics`);
  await page.keyboard.press("Tab");
  const first = await page.evaluate(() => document.activeElement.className);
  check(first === "skip", `the first stop is ${first}`);
  await page.keyboard.press("Enter");
  check((await page.evaluate(() => document.activeElement.id)) === "main", "the skip link does not lead to the content");
  await page.goto(`${base}/topics`);
  const stops = [];
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const at = document.activeElement;
      if (at === document.body) return "";
      const outline = getComputedStyle(at).outlineStyle;
      return `${at.tagName} ${at.id || at.textContent.trim().slice(0, 20)} ${outline}`;
    });
    if (stop === "" || (stops.length > 1 && stop === stops[0])) break;
    check(!stop.endsWith(" none"), `no visible focus on ${stop}`);
    check(stop !== stops.at(-1), `trapped in ${stop}`);
    stops.push(stop);
  }
  check(stops.length > 10 && stops.length < 80, `stops: ${stops.join(", ")}`);
};
