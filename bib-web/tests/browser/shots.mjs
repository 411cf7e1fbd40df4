// Pictures of pages, for people to look at: node shots.mjs URL FOLDER PATH...
import { chromium } from "playwright-core";
import { launch } from "./browser.mjs";

const [link, folder, ...paths] = process.argv.slice(2);
const browser = await chromium.launch(launch);
const context = await browser.newContext();
const page = await context.newPage();
await page.goto(link);
for (const scheme of ["light", "dark"]) {
  for (const width of [1280, 320]) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme: scheme });
    for (const path of paths) {
      await page.goto(new URL(path, link).href);
      const name = path.replace(/[^a-z0-9]+/gi, "-").replace(/^-|-$/g, "") || "home";
      await page.screenshot({ path: `${folder}/${name}-${scheme}-${width}.png`, fullPage: true });
    }
  }
}
await browser.close();
