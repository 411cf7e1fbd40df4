// Light and dark: with the system, and by hand, without a flash.
import { check } from "../watch.mjs";

export const run = async ({ page, base }) => {
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.goto(`${base}/`);
  await page.emulateMedia({ colorScheme: "light" });
  const light = await paper();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await paper();
  check(light !== dark, `the system's colours are not followed: ${light}`);
  const choose = page.getByRole("button", { name: "Colours:" });
  await page.emulateMedia({ colorScheme: "light" });
  await choose.click();
  check((await paper()) === dark, "dark by hand is not dark");
  const raw = await (await page.request.get(`${base}/`)).text();
  check(raw.includes('data-theme="dark"'), "the server does not know the choice, so the page would flash");
  await choose.click();
  await page.emulateMedia({ colorScheme: "dark" });
  check((await paper()) === light, "light by hand is not light");
  await choose.click();
  check((await paper()) === dark, "back with the system");
};
